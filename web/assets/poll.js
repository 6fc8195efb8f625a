// Fetches the page again while its tab is visible and puts the new <main> in place of the old.
// Nothing moves while the focus is inside; without this script the page says its time and can be reloaded.
const main = document.querySelector('main');
const seconds = Number(main?.dataset.refresh ?? 0);
if (seconds > 0) {
  setInterval(async () => {
    if (document.visibilityState !== 'visible' || main.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { headers: { 'X-Requested-By': 'poll' } });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = page.querySelector('main');
      if (fresh) main.replaceChildren(...fresh.childNodes);
    } catch {
      document.querySelector('[data-stale]')?.removeAttribute('hidden');
    }
  }, seconds * 1000);
}
