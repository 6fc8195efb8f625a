// Marks where a value came from and what became of it. A value carries the numbers of its edges in data-t;
// the bar shows one of them, `n` the next. Without this script the links of the rows lead the same way.
const values = [...document.querySelectorAll('button.v[data-t]')];
const bar = document.querySelector('.tracebar');
const edges = (value) => value.dataset.t.split(' ');
let current = null;
let turn = 0;
let resting = 0;

const fill = (number) => {
  const template = document.querySelector(`template[data-trace="${CSS.escape(number)}"]`);
  if (bar && template) bar.replaceChildren(template.content.cloneNode(true));
};

const mark = (value) => {
  const numbers = edges(value);
  const number = numbers[turn % numbers.length];
  for (const other of values) other.classList.toggle('on', edges(other).includes(number));
  for (const row of document.querySelectorAll('.pane tr.on')) row.classList.remove('on');
  for (const pane of document.querySelectorAll('.pane')) {
    const on = [...pane.querySelectorAll('.v.on')];
    for (const each of on) each.closest('tr')?.classList.add('on');
    if (on.length > 0 && !pane.contains(value) && !pane.hidden) {
      pane.scrollTop = on[0].closest('tr').offsetTop - pane.clientHeight / 2;
    }
  }
  // The bar is read out: only where somebody rests.
  clearTimeout(resting);
  resting = setTimeout(() => {
    fill(number);
    if (bar && numbers.length > 1) {
      const count = document.createElement('p');
      count.className = 'cap';
      count.textContent = `${(turn % numbers.length) + 1} / ${numbers.length} (n)`;
      bar.append(count);
    }
  }, 150);
};

for (const value of values) {
  const chosen = () => {
    if (current !== value) turn = 0;
    current = value;
    mark(value);
  };
  value.addEventListener('focus', chosen);
  value.addEventListener('click', chosen);
}

document.addEventListener('keydown', (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = document.activeElement;
  if (!at?.matches?.('button.v[data-t]')) return;
  if (event.key === 'n' && document.documentElement.dataset.keys !== 'off') {
    turn += 1;
    mark(at);
    return;
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const pane = at.closest('.pane');
  const within = values.filter((value) => pane.contains(value) && value.offsetParent);
  const next = within[within.indexOf(at) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
});
