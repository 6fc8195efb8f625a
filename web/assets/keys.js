// Single keys: `/` goes to the search, `g` and then a number to that entry of the menu, `?` to one's own page, where
// they can be switched off. Never inside a field, never while an input method composes.
if (document.documentElement.dataset.keys !== 'off') {
  let going = false;
  document.addEventListener('keydown', (event) => {
    if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.closest('input, textarea, select, [contenteditable], dialog')) return;
    const entries = document.querySelectorAll('nav.side a');
    if (going) {
      going = false;
      entries[Number(event.key) - 1]?.click();
    } else if (event.key === 'g') {
      going = true;
    } else if (event.key === '/') {
      const search = document.querySelector('main input[type=search]');
      if (search) {
        event.preventDefault();
        search.focus();
      }
    } else if (event.key === '?') {
      location.href = '/me';
    }
  });
}
