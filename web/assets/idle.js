// Warns before the session ends and goes on at one key. What was typed stays: a form that is sent after the end
// is kept by the server and shown again after the sign-in.
const dialog = document.getElementById('idle');
if (dialog) {
  const seconds = (name) => Number(dialog.dataset[name]);
  let since = Date.now();
  // Once the sign-in has ended there is nothing left to warn of: the page is left to whoever rescues a draft.
  let over = false;
  const tick = () => {
    if (over) return;
    const idle = (Date.now() - since) / 1000;
    if (idle < seconds('warn')) return;
    if (!dialog.open) dialog.showModal();
    const ended = idle >= seconds('end');
    dialog.querySelector('[data-soon]').hidden = ended;
    dialog.querySelector('[data-ended]').hidden = !ended;
    if (ended) {
      dialog.querySelector('#idle-title').textContent = dialog.dataset.over;
      dialog.querySelector('button').textContent = dialog.dataset.shut;
    }
  };
  setInterval(tick, 5000);
  document.addEventListener('visibilitychange', tick);
  dialog.addEventListener('close', async () => {
    try {
      // A redirect to the sign-in means that the session has ended: the page is left as it stands.
      const answer = await fetch('/me', { method: 'HEAD', redirect: 'manual' });
      if (answer.ok) since = Date.now();
      else if (answer.type === 'opaqueredirect') over = true;
    } catch {
      // The appliance does not answer: the warning comes again.
    }
  });
}
