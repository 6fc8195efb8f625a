// Makes tabs of sections that stand beneath each other without this script.
for (const box of document.querySelectorAll('[data-tabs]')) {
  const panels = [...box.children].filter((e) => e.dataset.tab !== undefined);
  const list = document.createElement('div');
  list.className = 'tabs';
  list.setAttribute('role', 'tablist');
  list.setAttribute('aria-label', box.getAttribute('aria-label') ?? '');
  const tabs = panels.map((panel) => {
    const tab = document.createElement('button');
    tab.type = 'button';
    tab.textContent = panel.dataset.tab;
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-controls', panel.id);
    panel.setAttribute('role', 'tabpanel');
    list.append(tab);
    return tab;
  });
  const show = (n) => tabs.forEach((tab, at) => {
    tab.setAttribute('aria-selected', String(at === n));
    tab.tabIndex = at === n ? 0 : -1;
    panels[at].hidden = at !== n;
  });
  list.addEventListener('click', (event) => {
    const n = tabs.indexOf(event.target);
    if (n >= 0) show(n);
  });
  list.addEventListener('keydown', (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const n = (to + tabs.length) % tabs.length;
    show(n);
    tabs[n].focus();
  });
  // A link to something in a hidden panel opens it.
  const opened = () => {
    const aim = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const n = aim ? panels.findIndex((panel) => panel.contains(aim)) : -1;
    if (n >= 0) {
      show(n);
      aim.scrollIntoView({ block: 'center' });
    }
  };
  box.prepend(list);
  show(0);
  addEventListener('hashchange', opened);
  opened();
}
