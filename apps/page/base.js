// What all parts of the page share: questions to the engine, elements, controls and axes.
'use strict';

// --- The engine (page.hpp lists the questions)

let engineAnswer = null;
// The answer, an object; an Error with the engine's own words where there is none.
function ask(question) {
  const answer = JSON.parse(engineAnswer(JSON.stringify(question)));
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer;
}

// Calls f and shows what it throws in the element `id`, which is empty otherwise.
function guarded(id, f) {
  const place = document.getElementById(id);
  try {
    f();
    place.textContent = '';
  } catch (error) {
    place.textContent = error.message;
  }
}

// --- Elements

const byId = (id) => document.getElementById(id);
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}
const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);

// A drawing of this size; smaller where there is less room, as on paper. `label` is for screen readers.
const drawing = (width, height, label, ...children) =>
  svg('svg', {viewBox: `0 0 ${width} ${height}`, style: `max-width: ${width}px`, role: 'group', 'aria-label': label}, ...children);
// How wide a drawing in the element `id` can be.
const room = (id, most = 1200) => Math.max(250, Math.min(most, byId(id).clientWidth || most));
// What is to be done when the window has another width.
const redraws = [];
let knownWidth = window.innerWidth;
window.addEventListener('resize', () => {
  if (window.innerWidth === knownWidth) return;
  knownWidth = window.innerWidth;
  requestAnimationFrame(() => redraws.forEach((redraw) => redraw()));
});

// --- Numbers

// For reading; null is what is not finite.
function shown(x, digits = 3) {
  if (x === null || x === undefined) return '–';
  if (x === 0) return '0';
  const size = Math.abs(x);
  const text = size >= 1e5 || size < 1e-3 ? x.toExponential(digits - 1) : x.toPrecision(digits);
  return text.replace('-', '−').replace('e+', 'e').replace('e-', 'e−');
}
// For tables: so many decimals.
const fixed = (x, decimals = 4) => (x === null || x === undefined || Math.abs(x) >= 1e5 || (x !== 0 && Math.abs(x) < 10 ** -decimals)
  ? shown(x, 3) : x.toFixed(decimals).replace('-', '−'));
// All digits are in its title, and in data-value.
const exact = (x) => (x === null || x === undefined ? {} : {'data-value': String(x), title: String(x)});
const letter = (item) => String.fromCharCode(65 + item);
const itemColour = (item) => `var(--item${item % 12})`;

// --- Controls

// A slider from low to high whose values have two digits, evenly spaced by ratio; onChange is called
// with each new one. Returns {value}, which can be set.
function slider(id, low, high, start, onChange) {
  const input = byId(id), output = document.querySelector(`output[for="${id}"]`);
  const steps = Math.round(Math.log10(high / low) * 20);
  Object.assign(input, {min: 0, max: steps, step: 1});
  const at = (position) => Number((low * 10 ** (position / 20)).toPrecision(2));
  const state = {
    get value() { return at(Number(input.value)); },
    set value(x) { input.value = Math.round(Math.log10(x / low) * 20); show(); },
  };
  const show = () => {
    output.textContent = String(state.value);
    input.setAttribute('aria-valuetext', String(state.value));
  };
  state.value = start;
  input.addEventListener('input', () => { show(); onChange(); });
  return state;
}

// An integer field; what is out of its range counts as the nearest that is not.
function integer(id, onChange) {
  const input = byId(id);
  const value = () => Math.min(Number(input.max), Math.max(Number(input.min), Math.round(Number(input.value) || 0)));
  input.addEventListener('input', () => { if (input.value !== '') onChange(); });
  input.addEventListener('change', () => { input.value = value(); onChange(); });
  return {get value() { return value(); }, set value(x) { input.value = x; }};
}

// A button that starts and stops what step() does, once a frame. step() returns whether to go on.
function repeating(id, names, step) {
  const button = byId(id);
  let running = false;
  const set = (on) => {
    running = on;
    button.setAttribute('aria-pressed', String(on));
    button.textContent = names[on ? 1 : 0];
  };
  const frame = () => {
    if (!running) return;
    if (step()) requestAnimationFrame(frame);
    else set(false);
  };
  button.addEventListener('click', () => {
    set(!running);
    if (running) requestAnimationFrame(frame);
  });
  return {stop: () => set(false)};
}

// --- Drawings that several parts have

// A matrix as a heat map: shades from 0 to 1. rows and columns: what is written beside them. With choose,
// a cell is a button, and arrow keys move between cells.
function heatMap(P, {rows, columns, label, most = 400, choose, chosen, numbers = true}) {
  const m = P.length, n = P[0].length, left = 26, top = 22, size = Math.min(44, (most - left - 2) / n);
  const width = left + n * size + 2, height = top + m * size + 2;
  const cells = [];
  const focusable = chosen ? `${chosen[0]},${chosen[1]}` : '0,0';
  P.forEach((row, i) => row.forEach((p, j) => {
    const x = left + j * size, y = top + i * size, percent = shown(p, 2);
    const inner = [
      svg('rect', {class: 'cell', x, y, width: size, height: size, 'fill-opacity': Math.min(1, Math.max(0, p))}),
      numbers && size >= 28 ? svg('text', {class: `cell-number ${p > 0.65 ? 'dark' : p > 0.5 ? 'middle' : ''}`, x: x + size / 2, y: y + size / 2},
        p < 0.005 ? '' : p.toFixed(2).replace(/^0/, '')) : null,
      svg('rect', {class: 'hit frame', x, y, width: size, height: size}),
      svg('title', {}, `place ${rows[i]}, item ${columns[j]}: ${p}`),
    ];
    const group = svg('g', {'data-place': i, 'data-item': j, 'data-value': String(p)}, inner);
    if (choose) {
      fill(group, {role: 'button', tabindex: `${i},${j}` === focusable ? 0 : -1,
        'aria-label': `place ${rows[i]}, item ${columns[j]}: ${percent}`}, []);
      group.addEventListener('click', () => choose(i, j));
      group.addEventListener('keydown', (event) => {
        if (event.key === 'Enter' || event.key === ' ') choose(i, j);
        const [di, dj] = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key] || [0, 0];
        if (!di && !dj && event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        const next = document.activeElement.closest('svg')?.querySelector(`[data-place="${i + di}"][data-item="${j + dj}"]`);
        if (next) {
          document.activeElement.setAttribute('tabindex', -1);
          next.setAttribute('tabindex', 0);
          next.focus();
        }
      });
    }
    cells.push(group);
  }));
  return drawing(width, height, label,
    columns.map((name, j) => svg('text', {x: left + (j + 0.5) * size, y: 15, 'text-anchor': 'middle', style: `fill: ${itemColour(name.charCodeAt(0) - 65)}; font-weight: 600`}, name)),
    rows.map((name, i) => svg('text', {x: left - 8, y: top + (i + 0.5) * size + 5, 'text-anchor': 'end'}, name)),
    cells,
    chosen ? svg('rect', {class: 'chosen', x: left + chosen[1] * size, y: top + chosen[0] * size, width: size, height: size}) : null);
}

// Round numbers from low to high, about `count` of them.
function ticks(low, high, count = 5) {
  if (!(high > low)) return [low];
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= raw);
  const list = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) list.push(Number((i * step).toPrecision(12)));
  return list;
}

// A plot with axes. x and y: {from, to, log, label, ticks}; draw(X, Y) gives what is inside, where X and Y
// place numbers.
function plot({width = 420, height = 260, bottom = 42, x, y, label, draw}) {
  const left = 52, right = 18, top = 10;
  const scale = ({from, to, log}, begin, end) => (value) => {
    const t = log ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from || 1);
    return begin + t * (end - begin);
  };
  const X = scale(x, left, width - right), Y = scale(y, height - bottom, top);
  const powers = ({from, to}) => {
    const list = [];
    for (let e = Math.ceil(Math.log10(from) - 1e-9); e <= Math.log10(to) + 1e-9; ++e) list.push(10 ** e);
    return list;
  };
  const marks = (axis) => axis.ticks || (axis.log ? powers(axis) : ticks(axis.from, axis.to));
  const tick = (v, axis) => (axis.log && (v >= 1e4 || v < 1e-2) ? `10${[...String(Math.round(Math.log10(v)))].map((c) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[c] ?? '⁻').join('')}`
    : String(v).replace('-', '−'));
  return drawing(width, height, label,
    marks(x).map((v) => [svg('line', {class: 'axis', x1: X(v), x2: X(v), y1: top, y2: height - bottom}),
      svg('text', {class: 'soft', x: X(v), y: height - bottom + 16, 'text-anchor': 'middle'}, tick(v, x))]),
    marks(y).map((v) => [svg('line', {class: 'axis', x1: left, x2: width - right, y1: Y(v), y2: Y(v)}),
      svg('text', {class: 'soft', x: left - 6, y: Y(v) + 4, 'text-anchor': 'end'}, tick(v, y))]),
    svg('text', {class: 'soft', x: (left + width - right) / 2, y: height - 6, 'text-anchor': 'middle'}, x.label),
    svg('text', {class: 'soft', transform: `translate(12 ${(top + height - bottom) / 2}) rotate(-90)`, 'text-anchor': 'middle'}, y.label),
    draw(X, Y));
}
const path = (points) => `M${points.map(([a, b]) => `${a.toFixed(2)} ${b.toFixed(2)}`).join('L')}`;

// --- Colours

function themeSwitch() {
  const select = byId('theme');
  select.addEventListener('change', () => {
    if (select.value) document.documentElement.dataset.theme = select.value;
    else delete document.documentElement.dataset.theme;
  });
}
