// The sort: scores that can be moved, and what relaxations make of them.
'use strict';

const methodTitles = {
  neural_sort: 'NeuralSort', neural_sort_smooth: 'smooth NeuralSort', soft_sort: 'SoftSort', sinkhorn: 'Sinkhorn', odd_even: 'odd-even',
  bitonic: 'bitonic', fast_soft_sort: 'fast soft sort', fast_soft_rank: 'fast soft rank', lap_sum: 'LapSum', perturbed: 'perturbed',
  black_box_rank: 'black-box rank', sparse_top_k: 'sparse top-k', k_subset: 'k-subsets',
};
const sortMethods = Object.keys(methodTitles);

// Numbers that look random and are the same everywhere (mulberry32).
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function startSort() {
  let scores = [];
  let valid = [];        // which items are there
  let wanted = [];       // the order that the losses want, masked items last
  let relaxed = {};      // by method
  let focused = null;    // the item whose point keeps the keyboard's focus
  const round = (x, digits = 3) => Number(x.toFixed(digits));
  const method = byId('sort-method'), loss = byId('sort-loss'), place = byId('sort-place'), item = byId('sort-item');
  for (const name of sortMethods) method.append(html('option', {value: name}, methodTitles[name]));
  const tau = slider('sort-tau', 0.01, 100, 1, show);
  const rate = slider('sort-rate', 0.01, 10, 0.1, () => {});
  const count = integer('sort-n', () => { if (count.value !== scores.length) fresh(); });
  const seed = integer('sort-seed', fresh);
  const first = integer('sort-k', show);
  const names = (items) => items.map(letter).join(' ');
  const there = () => scores.map((_, j) => j).filter((j) => valid[j]);

  function fresh() {
    const random = randomNumbers(seed.value);
    scores = Array.from({length: count.value}, () => round(4 * random() - 2));
    valid = scores.map(() => true);
    byId('sort-masked').value = '';
    byId('sort-wanted').value = names(there());
    byId('sort-k').max = scores.length;
    for (const [select, name] of [[place, (i) => i + 1], [item, letter]]) {
      const before = Math.min(Number(select.value) || 0, scores.length - 1);
      select.replaceChildren(...scores.map((_, i) => html('option', {value: i}, name(i))));
      select.value = before;
    }
    show();
  }

  const itemsOf = (id) => (byId(id).value.toUpperCase().match(/[A-Z]/g) || []).map((c) => c.charCodeAt(0) - 65);
  // Who is masked leaves the wanted order; who comes back is last.
  function mask() {
    const masked = itemsOf('sort-masked'), before = itemsOf('sort-wanted');
    valid = scores.map((_, j) => !masked.includes(j));
    const stay = before.filter((j) => valid[j]);
    byId('sort-wanted').value = names([...stay, ...there().filter((j) => !stay.includes(j))]);
    show();
  }
  function readWanted() {
    const all = names(scores.map((_, j) => j)), masked = itemsOf('sort-masked'), order = itemsOf('sort-wanted'), items = there();
    if (masked.some((j) => j >= scores.length) || items.length === 0) throw new Error(`of ${all} some may be masked, and one must be left`);
    const whole = order.length === items.length && new Set(order).size === order.length && order.every((j) => valid[j]);
    if (!whole) throw new Error(`the wanted order needs each of ${names(items)} once`);
    wanted = [...order, ...scores.map((_, j) => j).filter((j) => !valid[j])];
  }

  const lossQuestion = () => ({kind: loss.value, place: Number(place.value), item: Number(item.value), k: first.value, order: wanted});
  const question = (name) => ({ask: 'relax', method: name, tau: tau.value, scores, valid, loss: lossQuestion()});

  function show() {
    byId('sort-wanted-label').hidden = !['cross_entropy', 'ranks'].includes(loss.value);
    byId('sort-place-label').hidden = !['value', 'cell'].includes(loss.value);
    byId('sort-item-label').hidden = !['cell', 'mass'].includes(loss.value);
    guarded('sort-error', () => {
      readWanted();
      relaxed = {};
      for (const name of sortMethods) relaxed[name] = ask(question(name));
      draw();
    });
  }

  function move(j, score) {
    scores[j] = round(Math.max(-6, Math.min(6, score)));
    focused = j;
    show();
  }
  function step() {
    const {grad} = relaxed[method.value];
    if (!grad) return false;
    const before = scores.join();
    scores = scores.map((s, j) => round(Math.max(-6, Math.min(6, s - rate.value * grad[j])), 6));
    show();
    return scores.join() !== before;
  }

  // --- Drawings

  const summary = () => {
    const {loss: value, order} = relaxed[method.value];
    return `${methodTitles[method.value]}, τ = ${tau.value}: order ${names(order.filter((j) => valid[j]))}, `
      + (value === undefined ? 'this method does not define what the loss needs.' : `L = ${shown(value, 5)}`);
  };

  function pointsDrawing() {
    const {grad, sorted} = relaxed[method.value], n = scores.length;
    const extent = Math.max(2.5, ...scores.map(Math.abs)) * 1.1, width = room('sort-points'), left = 30, lane = 30, top = 14;
    const longest = Math.min(120, width / 6);
    const X = (s) => left + (s + extent) / (2 * extent) * (width - 2 * left);
    const base = top + n * lane, height = base + (sorted ? 104 : 48);
    const largest = grad ? Math.max(1e-300, ...grad.map(Math.abs)) : 1;
    const lanes = scores.map((s, j) => {
      const y = top + (j + 0.5) * lane, x = X(s);
      // The longest arrow has a fixed length; the others are in proportion.
      const d = grad ? -grad[j] / largest * longest : 0, tip = x + d, sign = Math.sign(d);
      const arrow = grad && Math.abs(d) > 1 ? [
        svg('line', {class: 'arrow', x1: x, x2: tip - sign * 6, y1: y, y2: y}),
        svg('path', {class: 'arrow-head', d: `M${tip} ${y}l${-sign * 10} -5v10z`})] : [];
      const handle = svg('g', {role: 'slider', ...(valid[j] ? {} : {class: 'masked'}), tabindex: 0, 'data-point': j, 'aria-label': `score of ${letter(j)}`, 'aria-valuemin': -6, 'aria-valuemax': 6,
        'aria-valuenow': s, 'data-value': String(s)},
      svg('title', {}, `${letter(j)}${valid[j] ? '' : ', masked'}: score ${s}${grad ? `, ∂L/∂s ${grad[j]}` : ''}`),
      svg('circle', {cx: x, cy: y, r: 11, style: `fill: ${itemColour(j)}`}),
      svg('circle', {class: 'hit', cx: x, cy: y, r: 14}),
      svg('text', {x, y: y + 5, 'text-anchor': 'middle', style: 'fill: var(--paper); font-weight: 700; pointer-events: none'}, letter(j)));
      handle.addEventListener('keydown', (event) => {
        const size = event.shiftKey ? 0.5 : 0.05;
        const by = {ArrowRight: size, ArrowUp: size, ArrowLeft: -size, ArrowDown: -size}[event.key];
        if (by === undefined) return;
        event.preventDefault();
        move(j, scores[j] + by);
      });
      handle.addEventListener('pointerdown', (event) => {
        event.preventDefault();
        const box = handle.ownerSVGElement.getBoundingClientRect();
        const score = (e) => ((e.clientX - box.left) / box.width * width - left) / (width - 2 * left) * 2 * extent - extent;
        const offset = scores[j] - score(event);
        const drag = (e) => move(j, score(e) + offset);
        const end = () => {
          window.removeEventListener('pointermove', drag);
          window.removeEventListener('pointerup', end);
          window.removeEventListener('pointercancel', end);
        };
        window.addEventListener('pointermove', drag);
        window.addEventListener('pointerup', end);
        window.addEventListener('pointercancel', end);
        focused = j;
        handle.focus();
      });
      return [svg('line', {class: 'axis', x1: left, x2: width - left, y1: y, y2: y}), arrow, handle];
    });
    const axis = [svg('line', {class: 'axis', x1: left, x2: width - left, y1: base + 4, y2: base + 4, style: 'stroke: var(--soft)'}),
      ticks(-extent, extent, width > 600 ? 10 : 4).map((v) => [svg('line', {x1: X(v), x2: X(v), y1: base + 4, y2: base + 9, stroke: 'var(--soft)'}),
        svg('text', {class: 'soft', x: X(v), y: base + 24, 'text-anchor': 'middle'}, String(v).replace('-', '−'))]),
    svg('text', {class: 'soft', x: width / 2, y: base + 42, 'text-anchor': 'middle'}, 'score')];
    const strip = sorted ? [svg('text', {class: 'soft', x: left, y: base + 58}, 'soft sorted values'),
      scores.map((s) => svg('line', {x1: X(s), x2: X(s), y1: base + 66, y2: base + 100, stroke: 'var(--soft)'})),
      sorted.slice(0, there().length).map((v, i) => svg('g', {'data-sorted': i, 'data-value': String(v)}, svg('title', {}, `place ${i + 1}: ${v}`),
        svg('circle', {cx: X(v), cy: base + 83, r: 9, style: 'fill: var(--panel); stroke: var(--ink); stroke-width: 1.5'}),
        svg('text', {class: 'soft', x: X(v), y: base + 87, 'text-anchor': 'middle'}, i + 1)))] : [];
    return drawing(width, height, 'Scores as points that can be moved', lanes, axis, strip);
  }

  function curvesDrawing(P, order) {
    const n = order.length;
    return plot({
      width: room('sort-curves'), height: 300, label: 'Rows of P̂ as curves', x: {from: 0.7, to: n + 0.3, label: 'items, from the largest score to the smallest', ticks: []},
      y: {from: 0, to: 1, label: 'P̂'},
      draw: (X, Y) => [
        order.map((j, k) => svg('text', {x: X(k + 1), y: Y(0) + 18, 'text-anchor': 'middle', style: `fill: ${itemColour(j)}; font-weight: 600`}, letter(j))),
        P.slice(0, there().length).map((row, i) => [
          svg('path', {class: 'line', d: path(order.map((j, k) => [X(k + 1), Y(row[j])])), style: `stroke: ${itemColour(order[i])}`}),
          order.map((j, k) => svg('circle', {cx: X(k + 1), cy: Y(row[j]), r: 3, style: `fill: ${itemColour(order[i])}`})),
          svg('text', {x: X(i + 1), y: Math.max(20, Y(row[order[i]]) - 7), 'text-anchor': 'middle', style: `fill: ${itemColour(order[i])}; paint-order: stroke; stroke: var(--panel); stroke-width: 4px`}, i + 1)])],
    });
  }

  function tables() {
    const {grad, ranks, sorted, masses, order} = relaxed[method.value];
    const hard = [];
    order.forEach((j, i) => { hard[j] = valid[j] ? i + 1 : '–'; });
    const column = (title) => html('th', {scope: 'col'}, title);
    const cell = (x, name) => html('td', {...exact(x), 'data-column': name}, fixed(x));
    const item = (j) => [html('span', {class: 'swatch', style: `background: ${itemColour(j)}`}), letter(j)];
    return [
      html('table', {}, html('caption', {}, 'By item'),
        html('thead', {}, html('tr', {}, ['item', 'score s', 'rank', 'soft rank', `mass, first ${first.value}`, '∂L/∂s'].map(column))),
        html('tbody', {}, scores.map((s, j) => html('tr', {}, html('th', {scope: 'row'}, item(j)), cell(s, 'score'), html('td', {}, hard[j]),
          cell(ranks?.[j], 'rank'), cell(masses?.[j], 'mass'), cell(grad?.[j], 'grad'))))),
      html('table', {}, html('caption', {}, 'By place'),
        html('thead', {}, html('tr', {}, ['place', 'item', 'score', 'soft value'].map(column))),
        html('tbody', {}, order.map((j, i) => html('tr', {}, html('th', {scope: 'row'}, i + 1), html('td', {}, item(j)), cell(scores[j], 'hard'), cell(sorted?.[i], 'sorted')))))];
  }

  // A small picture of a method: its matrix, or else its values, ranks or masses as bars; below, the gradient.
  function thumbnail(name) {
    const {P, sorted, ranks, masses, grad} = relaxed[name], n = scores.length, size = 140 / n, parts = [];
    if (P) {
      parts.push(P.map((row, i) => row.map((p, j) => svg('rect', {class: 'cell', x: 5 + j * size, y: 5 + i * size, width: size, height: size, 'fill-opacity': p}))),
        svg('rect', {class: 'frame', x: 5, y: 5, width: 140, height: 140}));
    } else {
      const values = sorted || ranks || masses, low = Math.min(0, ...values), high = Math.max(0, ...values), Y = (v) => 140 - (v - low) / (high - low || 1) * 125;
      parts.push(values.map((v, i) => svg('rect', {x: 5 + i * size + 2, width: Math.max(1, size - 4), y: Math.min(Y(v), Y(0)), height: Math.abs(Y(v) - Y(0)),
        style: `fill: ${sorted ? 'var(--heat)' : itemColour(i)}`})),
      svg('line', {class: 'zero', x1: 5, x2: 145, y1: Y(0), y2: Y(0)}));
    }
    const largest = grad ? Math.max(1e-300, ...grad.map(Math.abs)) : 1;
    parts.push(svg('line', {class: 'zero', x1: 5, x2: 145, y1: 172, y2: 172}));
    if (grad) {
      parts.push(grad.map((g, j) => svg('rect', {x: 5 + j * size + 2, width: Math.max(1, size - 4), y: 172 - Math.max(0, g / largest * 20), height: Math.abs(g / largest * 20),
        style: 'fill: var(--reverse)'})));
    } else {
      parts.push(svg('text', {x: 75, y: 168, 'text-anchor': 'middle'}, '–'));
    }
    return svg('svg', {viewBox: '0 0 150 196', 'aria-hidden': 'true'}, parts);
  }
  const gallery = () => sortMethods.map((name) => {
    const {P, sorted, ranks, loss: value, grad} = relaxed[name];
    const what = P ? (['odd_even', 'bitonic'].includes(name) ? 'P̂ of a network' : 'P̂') : sorted ? 'values by place' : ranks ? 'ranks by item' : 'masses by item';
    const button = html('button', {type: 'button', 'aria-pressed': String(name === method.value), 'data-method': name, ...(value === undefined ? {} : {'data-loss': String(value)})},
      html('b', {}, methodTitles[name]), html('span', {}, what), thumbnail(name),
      html('span', {}, value === undefined ? 'L: –' : `L = ${shown(value, 4)}`),
      html('span', {}, grad ? `|∂L/∂s| = ${shown(Math.hypot(...grad), 3)}` : '|∂L/∂s|: –'));
    button.addEventListener('click', () => {
      method.value = name;
      show();
      byId('sort-all').querySelector(`[data-method="${name}"]`).focus();
    });
    return button;
  });

  function draw() {
    const {P, order} = relaxed[method.value];
    byId('sort-summary').textContent = summary();
    const active = document.activeElement?.closest?.('#sort-heat [data-place]');
    const at = active && [active.dataset.place, active.dataset.item];
    byId('sort-points').replaceChildren(pointsDrawing());
    if (focused !== null && focused < scores.length) byId('sort-points').querySelector(`[data-point="${focused}"]`).focus({preventScroll: true});
    focused = null;
    const places = scores.map((_, i) => String(i + 1)), items = scores.map((_, j) => letter(j));
    if (P) {
      const choose = (i, j) => {
        loss.value = 'cell';
        place.value = i;
        item.value = j;
        show();
      };
      const chosen = loss.value === 'cell' ? [Number(place.value), Number(item.value)] : undefined;
      byId('sort-heat').replaceChildren(heatMap(P, {rows: places, columns: items, label: 'P̂ as a heat map', most: room('sort-heat'), choose, chosen}));
      if (at) byId('sort-heat').querySelector(`[data-place="${at[0]}"][data-item="${at[1]}"]`)?.focus({preventScroll: true});
      byId('sort-curves').replaceChildren(curvesDrawing(P, order));
    } else {
      byId('sort-heat').replaceChildren(html('p', {}, `${methodTitles[method.value]} has no matrix.`));
      byId('sort-curves').replaceChildren(html('p', {}, 'No rows to draw.'));
    }
    byId('sort-table').replaceChildren(...tables());
    byId('sort-all').replaceChildren(...gallery());
  }

  // --- A million

  const millionTau = slider('million-tau', 0.01, 10000, 1, () => {});
  const millionSeed = integer('million-seed', () => {});
  byId('million-run').addEventListener('click', () => {
    const n = Number(byId('million-n').value), note = byId('million-summary');
    note.textContent = `Sorting ${n.toLocaleString('en')} scores …`;
    // Let the note be painted before the page is busy.
    requestAnimationFrame(() => setTimeout(() => guarded('million-error', () => {
      note.textContent = '';
      const a = ask({ask: 'million', n, tau: millionTau.value, seed: millionSeed.value});
      const bytes = n * n * 8, unit = bytes >= 1e12 ? [1e12, 'TB'] : bytes >= 1e9 ? [1e9, 'GB'] : [1e6, 'MB'];
      note.replaceChildren(html('span', exact(a.loss), `L = ${shown(a.loss, 6)}. `),
        `${n.toLocaleString('en')} scores: forward ${a.forward_seconds.toFixed(2)} s, gradient ${a.backward_seconds.toFixed(2)} s, on one thread. The matrix alone would be ${shown(bytes / unit[0], 2)} ${unit[1]}.`);
      byId('million-panels').hidden = false;
      const x = {from: 1, to: n, log: true, label: 'place (1: the largest score)'};
      const low = Math.floor(Math.min(...a.score)), high = Math.ceil(Math.max(...a.score));
      byId('million-values').replaceChildren(plot({width: room('million-values'), x, y: {from: low, to: high, label: 'score'}, label: 'Sorted values by place', draw: (X, Y) => [
        svg('path', {class: 'line', stroke: 'var(--forward)', d: path(a.place.map((p, i) => [X(p), Y(a.sorted[i])]))}),
        a.place.map((p, i) => (i % 4 === 0 ? svg('circle', {cx: X(p), cy: Y(a.score[i]), r: 2.5, fill: 'var(--ink)'}) : null))]}));
      const g = a.grad.map((v) => v * n);
      byId('million-grad').replaceChildren(plot({width: room('million-grad'), x, y: {from: Math.min(0, ...g), to: Math.max(...g) * 1.05, label: 'n ∂L/∂s'}, label: 'Gradient by true place', draw: (X, Y) => [
        svg('line', {class: 'zero', x1: X(n / 100), x2: X(n / 100), y1: Y(Math.min(0, ...g)), y2: Y(Math.max(...g) * 1.05)}),
        svg('path', {class: 'line', stroke: 'var(--reverse)', d: path(a.place.map((p, i) => [X(p), Y(g[i])]))})]}));
    }), 0));
  });

  // --- What changes what

  for (const select of [method, loss, place, item]) select.addEventListener('change', show);
  byId('sort-wanted').addEventListener('input', show);
  byId('sort-masked').addEventListener('input', mask);
  byId('sort-random').addEventListener('click', () => { seed.value = (seed.value + 1) % 1000000; fresh(); });
  byId('sort-tie').addEventListener('click', () => { scores[1] = scores[0]; show(); });
  byId('sort-step').addEventListener('click', step);
  repeating('sort-descend', ['Descend', 'Stop'], step);
  redraws.push(show);
  fresh();
}
