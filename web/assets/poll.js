// Fetches the page again while its tab is visible and puts the new <main> in place of the old. It waits
// while somebody writes in a field or marks text, and goes on afterwards; whatever has the focus keeps it.
// Without this script the page says its time and can be reloaded.
const main = document.querySelector('main');
const seconds = Number(main?.dataset.refresh ?? 0);

// A click anywhere focuses <main> itself, and a link keeps the focus that it was followed with: neither is
// a reason to wait.
function isBusy() {
  const focused = document.activeElement;
  const writes = focused !== null && main.contains(focused) && focused.matches('input, select, textarea, [contenteditable]');
  const marked = document.getSelection();
  return writes || (marked !== null && !marked.isCollapsed && main.contains(marked.anchorNode));
}

const targets = () => [...main.querySelectorAll('a[href], button, summary, [tabindex]')];

if (seconds > 0) {
  setInterval(async () => {
    if (document.visibilityState !== 'visible' || isBusy()) return;
    try {
      const answer = await fetch(location.href, { headers: { 'X-Requested-By': 'poll' } });
      // A redirect leads to the sign-in, which is no page to put here.
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = page.querySelector('main');
      // Somebody may have begun while the answer was on its way.
      if (!fresh || isBusy()) return;
      const focused = targets().indexOf(document.activeElement);
      main.replaceChildren(...fresh.childNodes);
      if (focused >= 0) targets()[focused]?.focus({ preventScroll: true });
    } catch {
      document.querySelector('[data-stale]')?.removeAttribute('hidden');
    }
  }, seconds * 1000);
}
