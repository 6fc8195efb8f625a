// Counts down while a patient is shown, and fetches the masked page when the time is over.
const strip = document.querySelector('[data-until]');
if (strip) {
  const until = Number(strip.dataset.until);
  const left = strip.querySelector('[data-left]');
  const [minutes, seconds] = left.textContent.split(':').map(Number);
  // The server's clock is the one that counts: only the difference is taken from here.
  const end = Date.now() + Math.min((minutes * 60 + seconds) * 1000, until);
  const tick = () => {
    const rest = Math.max(0, Math.round((end - Date.now()) / 1000));
    left.textContent = `${Math.floor(rest / 60)}:${String(rest % 60).padStart(2, '0')}`;
    if (rest === 0) location.reload();
    else setTimeout(tick, 1000);
  };
  setTimeout(tick, 1000);
  // A page kept by the browser for its Back button is fetched again.
  addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
}
