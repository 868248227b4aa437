// Learning: a small training, a few steps a frame.
'use strict';

function startLearning() {
  const task = byId('learn-task');
  let losses = [], state = null;
  const tau = slider('learn-tau', 0.01, 100, 1, restart), rate = slider('learn-rate', 0.001, 1, 0.02, restart);
  const n = integer('learn-n', restart), k = integer('learn-k', restart), seed = integer('learn-seed', restart);

  function restart() {
    byId('learn-n-label').hidden = task.value !== 'sort';
    byId('learn-k-label').hidden = task.value === 'sort';
    guarded('learn-error', () => {
      losses = [];
      state = ask({ask: 'training', task: task.value, tau: tau.value, learning_rate: rate.value, n: n.value, k: k.value, seed: seed.value});
      draw();
    });
  }
  function train(steps) {
    guarded('learn-error', () => {
      state = ask({ask: 'train', steps});
      losses.push(...state.losses);
      draw();
    });
    return byId('learn-error').textContent === '' && losses.length < 5000;
  }

  function lossDrawing() {
    const finite = losses.filter((x) => x !== null), high = Math.max(1e-9, ...finite);
    // A running mean beside the losses themselves, which depend on what was drawn.
    const smooth = [];
    let mean = 0, weight = 0;
    for (const x of losses) {
      mean += (x - mean) * 0.05;
      weight += (1 - weight) * 0.05;
      smooth.push(mean / weight);
    }
    const to = Math.max(100, losses.length);
    return plot({width: room('learn-loss'), label: 'Loss by step', x: {from: 0, to, label: 'step'}, y: {from: Math.min(0, ...finite), to: finite.length ? high * 1.05 : 1, label: 'loss'},
      draw: (X, Y) => losses.length === 0 ? [] : [
        svg('path', {class: 'line', style: 'stroke: var(--forward); stroke-opacity: 0.35; stroke-width: 1', d: path(losses.map((x, i) => [X(i + 1), Y(x)]))}),
        svg('path', {class: 'line', style: 'stroke: var(--forward)', d: path(smooth.map((x, i) => [X(i + 1), Y(x)]))})]});
  }

  // --- The two tasks

  // Values of a square of cells as shades, from the lowest to the highest, in ten bands so that lines of
  // equal value can be seen.
  function shades(values, cells, x0, size) {
    const low = Math.min(...values), high = Math.max(...values), unit = size / cells;
    return values.map((v, i) => svg('rect', {x: x0 + (i % cells) * unit, y: 20 + Math.floor(i / cells) * unit, width: unit, height: unit,
      style: `fill: var(--heat); fill-opacity: ${Math.floor((v - low) / (high - low || 1) * 9.999) / 10}`}));
  }
  function sortDrawings() {
    const size = Math.min(240, (room('learn-map') - 20) / 2), panel = (values, x0, title) => [svg('text', {x: x0, y: 14, class: 'soft'}, title), svg('g', {'shape-rendering': 'crispEdges'}, shades(values, state.cells, x0, size)),
      svg('rect', {class: 'frame', x: x0, y: 20, width: size, height: size}),
      state.points.map(([x, y], j) => [svg('circle', {cx: x0 + (x + 1) / 2 * size, cy: 20 + (1 - y) / 2 * size, r: 10, style: `fill: ${itemColour(j)}; stroke: var(--panel); stroke-width: 2`}),
        svg('text', {x: x0 + (x + 1) / 2 * size, y: 20 + (1 - y) / 2 * size + 4, 'text-anchor': 'middle', style: 'fill: var(--paper); font-weight: 700; font-size: 11px'}, letter(j))])];
    byId('learn-map-caption').textContent = 'The plane, darker where the score is higher: learnt, and hidden. Points: a set that training has not seen.';
    byId('learn-map').replaceChildren(drawing(2 * size + 20, size + 24, 'The learnt score and the hidden value over the plane', panel(state.map, 4, 'learnt'), panel(state.hidden_map, size + 16, 'hidden')));
    // Items in their true order, so that what is right stands on the diagonal.
    byId('learn-heat-caption').textContent = 'P̂ of that set, items in their true order: right is the diagonal';
    const P = state.P.map((row) => state.truth.map((j) => row[j]));
    const map = heatMap(P, {rows: P.map((_, i) => String(i + 1)), columns: state.truth.map(letter), label: 'P̂ of a set that training has not seen', most: room('learn-heat')});
    byId('learn-heat').replaceChildren(map);
  }
  function neighbourDrawings() {
    const all = [...state.points, ...state.queries], extent = Math.max(...all.flat().map(Math.abs)) * 1.08, size = Math.min(340, room('learn-map') - 20);
    const X = (x) => 10 + (x + extent) / (2 * extent) * size, Y = (y) => 10 + (extent - y) / (2 * extent) * size;
    const mark = (label, x, y, r, attributes) => [
      svg('circle', {cx: x, cy: y, r, ...attributes}),
      svg('path', {d: `M${x} ${y - r}l${r} ${1.8 * r}h${-2 * r}z`, ...attributes}),
      svg('rect', {x: x - r, y: y - r, width: 2 * r, height: 2 * r, ...attributes})][label];
    byId('learn-map-caption').textContent = 'The learnt plane. Filled: the points to choose from. Hollow: queries that training has not seen. Ring: the query of P̂';
    byId('learn-map').replaceChildren(drawing(size + 20, size + 20, 'Points and queries in the learnt plane',
      svg('rect', {class: 'frame', x: 10, y: 10, width: size, height: size}),
      state.queries.map(([x, y], i) => mark(state.query_labels[i], X(x), Y(y), 3.5, {style: `fill: none; stroke: ${itemColour(state.query_labels[i])}`})),
      state.points.map(([x, y], i) => mark(state.labels[i], X(x), Y(y), 4.5, {style: `fill: ${itemColour(state.labels[i])}`})),
      svg('circle', {cx: X(state.queries[0][0]), cy: Y(state.queries[0][1]), r: 9, style: 'fill: none; stroke: var(--ink); stroke-width: 2'})));
    byId('learn-heat-caption').textContent = 'The first k rows of P̂ for that query: its nearest neighbours, softly. Columns: points, by class (colours above); the query’s class comes first';
    const columns = state.labels.map((label, j) => [label === state.query_labels[0] ? -1 : label, j]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, j]) => j);
    const width = room('learn-heat'), left = 28, unit = (width - left - 4) / columns.length, tall = Math.min(30, 220 / state.P.length);
    byId('learn-heat').replaceChildren(drawing(width, 24 + tall * state.P.length, 'The first rows of P̂',
      columns.map((j, i) => svg('rect', {x: left + i * unit, y: 6, width: unit, height: 8, style: `fill: ${itemColour(state.labels[j])}`})),
      state.P.map((row, i) => [svg('text', {class: 'soft', x: left - 6, y: 20 + (i + 0.5) * tall + 4, 'text-anchor': 'end'}, i + 1),
        columns.map((j, c) => svg('rect', {class: 'cell', x: left + c * unit, y: 20 + i * tall, width: unit, height: tall, 'fill-opacity': row[j], 'data-place': i, 'data-item': j, 'data-value': String(row[j])}))]),
      svg('rect', {class: 'frame', x: left, y: 20, width: unit * columns.length, height: tall * state.P.length})));
  }

  function draw() {
    const last = losses[losses.length - 1];
    byId('learn-summary').replaceChildren(html('span', {'data-step': losses.length, ...exact(last)}, `Step ${losses.length}` + (last === undefined ? '' : `: loss ${shown(last, 4)}`)), '. ',
      html('span', {'data-accuracy': String(state.accuracy)}, task.value === 'sort' ? `${(100 * state.accuracy).toFixed(1)} % of the places of 100 new sets have their item`
        : `${(100 * state.accuracy).toFixed(1)} % of 90 new queries are classified right`), '.');
    byId('learn-loss').replaceChildren(lossDrawing());
    if (task.value === 'sort') sortDrawings();
    else neighbourDrawings();
  }

  const runner = repeating('learn-run', ['Train', 'Pause'], () => train(task.value === 'sort' ? 5 : 2));
  byId('learn-step').addEventListener('click', () => train(10));
  byId('learn-reset').addEventListener('click', () => { runner.stop(); restart(); });
  redraws.push(() => guarded('learn-error', draw));
  task.addEventListener('change', () => { runner.stop(); restart(); });
  restart();
}
