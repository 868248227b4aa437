// tapeView(element, replay) shows a replay, as to_json writes it and JSON.parse reads it, inside `element`,
// in place of what was there: the tape as a table and as a graph, and steps through both. README.md has
// the format, and the attributes by which tests find things. The look is in view.css.
function tapeView(element, replay) {
  const nodes = new Map(replay.nodes.map((node) => [node.id, node]));
  const own = replay.nodes.filter((node) => node.kind !== 'earlier');
  const uses = new Map();  // how many contributions a node receives
  for (const step of replay.steps) {
    for (const {to} of step.contributions) uses.set(to, (uses.get(to) || 0) + 1);
  }
  // Where one can be: before it begins, at a node that is computed, at a node that passes on.
  const stops = [{phase: 'all'}, ...own.map((node) => ({phase: 'forward', node: node.id})),
    ...replay.steps.map((step, i) => ({phase: 'reverse', node: step.node, step: i}))];

  // --- Text

  const label = (id) => nodes.get(id).name ?? `v${id}`;
  const shapeText = (shape) => `(${shape.join(', ')})`;
  const count = (shape) => shape.reduce((a, b) => a * b, 1);
  const number = (x) => {
    const value = Number(x);
    return Number.isNaN(value) ? 'nan' : Number.isFinite(value) ? String(Number(value.toPrecision(4)))
      : value < 0 ? '-inf' : 'inf';
  };
  // What nest(.) makes of the numbers of an array, axis by axis.
  const nested = (data, shape, leaf, nest, from = 0) => {
    if (shape.length === 0) return leaf(data[from], from);
    const inner = shape.slice(1), size = count(inner);
    return nest(Array.from({length: shape[0]}, (_, i) => nested(data, inner, leaf, nest, from + i * size)));
  };
  const rangeText = ({mean, low, high}) => `mean ${number(mean)} in [${number(low)}, ${number(high)}]`;
  const text = (figures, shape, between = ', ') => {
    if (!figures.data) return rangeText(figures);
    const data = figures.data.map(Number);
    if (data.length === 0) return 'empty';
    if (data.length > 8) {
      return rangeText({mean: data.reduce((a, b) => a + b) / data.length, low: Math.min(...data),
        high: Math.max(...data)});
    }
    return nested(data, shape, number, (items) => `(${items.join(items[0][0] === '(' ? between : ', ')})`);
  };
  const short = (line, most) => line.length > most ? `${line.slice(0, most - 1)}…` : line;
  const list = (items) => items.length < 2 ? items.join('')
    : `${items.slice(0, -1).join(', ')} and ${items[items.length - 1]}`;

  // The place in an array of shape `small` that is copied to place i when it is stretched to `large`.
  const source = (i, small, large) => {
    let place = 0, stride = 1;
    for (let back = 1; back <= large.length; ++back) {
      const extent = large[large.length - back], own = small[small.length - back] ?? 1;
      if (own > 1) place += (i % extent) * stride;
      i = Math.floor(i / extent);
      stride *= own;
    }
    return place;
  };
  const stretchedFigures = (x, shape) => x.value.data
    && {data: Array.from({length: count(shape)}, (_, i) => x.value.data[source(i, x.shape, shape)])};

  // The local derivative of node y by its input k: in words, and dy_i/dx as an array of y's shape where
  // y acts element by element, or as a matrix.
  const local = (y, k) => {
    const words = y.derivatives[k], rows = y.jacobians[k]?.rows, x = nodes.get(y.inputs[k]);
    if (words === null) return {rows};
    return {words, plain: !Number.isNaN(Number(words)),
      figures: rows && {data: rows.map((row, i) => row[source(i, x.shape, y.shape)])}};
  };
  const localText = (y, k) => {
    const {words, plain, figures, rows} = local(y, k);
    if (words) return plain || !figures || count(y.shape) > 6 ? words : `${words} = ${text(figures, y.shape)}`;
    if (!rows) return 'by its pullback';
    const shape = [rows.length, rows[0].length];
    return count(shape) > 8 ? `a matrix ${shapeText(shape)}` : text({data: rows.flat()}, shape);
  };

  const reference = (id) => {  // as in a formula: a number is itself
    const {kind, name, shape, value} = nodes.get(id);
    return kind === 'constant' && name === null && shape.length === 0 ? text(value, shape) : label(id);
  };
  const heading = (y) => `Node ${y.id}, ${y.op}${y.name === null ? '' : ` ${y.name}`}`;
  // In sentences, numbers up to six; what happens to more is said, and shown in grids below.
  const few = (shape) => count(shape) <= 6;
  const equals = (figures, shape) => few(shape) ? ` = ${text(figures, shape)}` : '';
  const named = (figures, shape) => few(shape) ? text(figures, shape) : `of shape ${shapeText(shape)}`;

  const forwardText = (y) => {
    if (y.kind === 'constant') return `${heading(y)}: ${named(y.value, y.shape)}. It needs no gradient.`;
    if (y.kind !== 'operator') return `${heading(y)}: its value is given, ${named(y.value, y.shape)}.`;
    const given = y.inputs.filter((id, k) => y.inputs.indexOf(id) === k && reference(id) === label(id)
      && few(nodes.get(id).shape)).map((id) => `${label(id)}${equals(nodes.get(id).value, nodes.get(id).shape)}`);
    const stretched = y.inputs.flatMap((id, k) => y.stretched[k]
      ? [` ${reference(id)}, of shape ${shapeText(nodes.get(id).shape)}, is stretched to ${shapeText(y.stretched[k])}.`] : []);
    return `${heading(y)}: ${label(y.id)} = ${y.formula}${equals(y.value, y.shape)}`
      + `${given.length ? `, where ${list(given)}` : ''}.${stretched.join('')}`;
  };
  const contributionText = (y, c, begin) => {
    const x = nodes.get(c.to), {words} = local(y, c.input);
    const asItIs = words === '1', how = asItIs ? '' : words ? `, times ${localText(y, c.input)},` : ', by the transposed Jacobian,';
    const summed = c.stretched ? `, summed over the copies of ${label(x.id)},` : '';
    const sum = few(x.shape)
      ? `: ${c.before ? text(c.before, x.shape) : '0'} + ${text(c.contribution, x.shape)} = ${text(c.after, x.shape)}.`
      : c.before ? ', where it is added to what is there.' : uses.get(x.id) > 1 ? `, the first of ${uses.get(x.id)} uses.` : '.';
    return `${begin}${how}${summed} arrives ${asItIs ? 'as it is ' : ''}at ${label(x.id)}${sum}`.replace(',,', ',');
  };
  const reverseText = (y, step) => {
    const first = y.id === replay.result, bar = named(y.cotangent, y.shape);
    const begin = first ? `the sweep begins here, with ${few(y.shape) ? bar : 'ones'}. Its cotangent` : `its cotangent ${bar}`;
    if (step.contributions.length) {
      return `${heading(y)}: ${step.contributions.map((c, i) => contributionText(y, c, i ? 'The same' : begin)).join(' ')}`;
    }
    return `${heading(y)}: ${begin} is complete: d${label(replay.result)}/d${label(y.id)}, its gradient.`;
  };
  const overviewText = () => {
    if (own.length === 0) return 'An empty tape.';
    const part = own.length < replay.total ? `The last ${own.length} of ${replay.total} nodes. ` : '';
    const result = nodes.get(replay.result);
    return `${part}The result is ${label(result.id)} = ${text(result.value, result.shape)}. `
      + `${own.length} steps forward compute it, ${replay.steps.length} steps back pass cotangents on.`;
  };

  // --- Elements

  const make = (names, tag, attributes, children) => {
    const made = names ? document.createElementNS(names, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const html = (tag, attributes = {}, ...children) => make(null, tag, attributes, children);
  const svg = (tag, attributes = {}, ...children) => make('http://www.w3.org/2000/svg', tag, attributes, children);

  // An array as a grid of numbers; `isCopy(i)`: drawn as a copy.
  const grid = (caption, figures, shape, isCopy = () => false) => {
    const figure = html('figure', {}, html('figcaption', {}, caption));
    if (!figures?.data || figures.data.length === 0) {
      figure.append(html('p', {}, figures ? text(figures, shape) : shapeText(shape)));
      return figure;
    }
    const columns = shape[shape.length - 1] ?? 1, rowsOfBlock = shape[shape.length - 2] ?? 1;
    const table = html('table', {role: 'presentation'});
    for (let i = 0; i < figures.data.length; i += columns) {
      const row = html('tr', i > 0 && (i / columns) % rowsOfBlock === 0 ? {class: 'block'} : {});
      for (let j = i; j < i + columns; ++j) {
        row.append(html('td', isCopy(j) ? {class: 'copy'} : {}, number(figures.data[j])));
      }
      table.append(row);
    }
    figure.append(table);
    return figure;
  };
  const sign = (mark) => html('span', {class: 'sign', 'aria-hidden': 'true'}, mark);

  // Whether place i of the stretched array is a copy, not the first of its kind.
  const copyOf = (small, large) => {
    const seen = new Set(), copy = [];
    for (let i = 0; i < count(large); ++i) {
      copy.push(seen.has(source(i, small, large)));
      seen.add(source(i, small, large));
    }
    return (i) => copy[i];
  };

  // What happens at a stop, in grids.
  const forwardDetail = (y) => {
    const parts = [];
    y.inputs.forEach((id, k) => {
      const x = nodes.get(id), to = y.stretched[k];
      if (parts.length) parts.push(sign(','));
      parts.push(grid(`${label(id)} ${shapeText(x.shape)}`, x.value, x.shape));
      if (to && count(to) <= 64) {
        parts.push(sign('→'), grid(`stretched to ${shapeText(to)}`, stretchedFigures(x, to), to, copyOf(x.shape, to)));
      }
    });
    if (parts.length) parts.push(sign('→'));
    return [html('div', {}, ...parts, grid(`${label(y.id)} ${shapeText(y.shape)}`, y.value, y.shape))];
  };
  const contributionDetail = (y, c) => {
    const x = nodes.get(c.to), {words, figures, rows} = local(y, c.input), bar = `${label(x.id)}bar`;
    const parts = [grid(`${label(y.id)}bar`, y.cotangent, y.shape)];
    if (words && figures && words !== '1') parts.push(sign('×'), grid(words, figures, y.shape));
    if (rows) parts.push(sign('by the transpose of'), grid(`d${label(y.id)}_i / d${label(x.id)}_j`, {data: rows.flat()}, [rows.length, rows[0].length]));
    if (c.stretched) {
      parts.push(sign('='), grid(`for the copies, ${shapeText(c.stretched.shape)}`, c.stretched, c.stretched.shape, copyOf(x.shape, c.stretched.shape)),
        sign('sum back →'));
    } else {
      parts.push(sign('='));
    }
    parts.push(grid(`arrives at ${label(x.id)}`, c.contribution, x.shape), sign('+'));
    parts.push(c.before ? grid(`${bar} before`, c.before, x.shape) : html('span', {class: 'sign'}, '0'));
    parts.push(sign('='), grid(bar, c.after, x.shape));
    return html('div', {}, ...parts);
  };

  // --- The table

  const columns = ['node', 'operator', 'shape', 'value', 'cotangent', 'local derivatives'];
  const rows = new Map();
  const body = html('tbody', {role: 'rowgroup'});
  for (const node of own) {
    const cells = Object.fromEntries(columns.map((column) => [column,
      html('td', {role: 'cell', 'data-column': column.split(' ')[0], 'data-label': column})]));
    const name = node.name === null ? `v${node.id}` : `${node.id} ${node.name}`;
    cells.node.append(html('button', {type: 'button', 'aria-label': `go to node ${name}`}, name));
    cells.operator.append(node.formula ?? node.op);
    cells.shape.append(shapeText(node.shape));
    const row = html('tr', {role: 'row', 'data-node': node.id}, ...Object.values(cells));
    rows.set(node.id, {row, cells});
    body.append(row);
  }
  const table = html('table', {role: 'table', class: 'tape'}, html('caption', {}, 'The tape'),
    html('thead', {role: 'rowgroup'}, html('tr', {role: 'row'},
      ...columns.map((column) => html('th', {role: 'columnheader', scope: 'col'}, column)))), body);

  // --- The graph: layers from top to bottom, inputs above their users

  const width = 176, height = 58, gap = 18, step = height + 44;
  const items = new Map(), edges = [];  // what is drawn; edges from item to item, through points
  const add = (key, item) => {
    items.set(key, {key, layer: 0, width, above: [], below: [], ...item});
    return items.get(key);
  };
  const connect = (from, to, data) => edges.push({from, to, data});
  for (const node of replay.nodes) add(node.id, {node});
  for (const y of own) {
    y.inputs.forEach((id, k) => {
      const data = {from: id, to: y.id, input: k};
      if (!y.stretched[k]) return connect(items.get(id), items.get(y.id), data);
      const copy = add(`${y.id}.${k}`, {stretch: y.stretched[k], of: nodes.get(id), user: y.id, input: k});
      connect(items.get(id), copy, data);
      connect(copy, items.get(y.id), data);
    });
  }
  const incoming = (item) => edges.filter(({to}) => to === item);
  const inLayers = [];
  {
    const known = new Set();
    const layerOf = (item) => {  // inputs stand before their users, so depth is small
      if (!known.has(item)) {
        known.add(item);
        item.layer = Math.max(0, ...incoming(item).map(({from}) => layerOf(from) + 1));
      }
      return item.layer;
    };
    for (const item of items.values()) layerOf(item);
    for (const item of items.values()) {  // leaves and constants stand close to their first user
      const users = edges.filter(({from}) => from === item);
      if (incoming(item).length === 0 && users.length > 0) item.layer = Math.min(...users.map(({to}) => to.layer)) - 1;
    }
    for (const item of [...items.values()]) (inLayers[item.layer] ??= []).push(item);
    for (const edge of edges) {  // a long edge is bent in each layer that it crosses
      edge.points = [edge.from];
      for (let layer = edge.from.layer + 1; layer < edge.to.layer; ++layer) {
        const bend = {layer, width: 12, above: [], below: []};
        (inLayers[layer] ??= []).push(bend);
        edge.points.push(bend);
      }
      edge.points.push(edge.to);
      for (let i = 1; i < edge.points.length; ++i) {
        edge.points[i].above.push(edge.points[i - 1]);
        edge.points[i - 1].below.push(edge.points[i]);
      }
    }
    // Fewer crossings: each item moves to the mean of its neighbours' places; then the same for x, where
    // items may not overlap. (The mean of what is pushed right and what is pushed left does not.)
    const mean = (values, otherwise) => values.length ? values.reduce((a, b) => a + b) / values.length : otherwise;
    inLayers.forEach((layer) => layer.forEach((item, i) => { item.place = i; }));
    for (let round = 0; round < 12; ++round) {
      const side = round % 2 ? 'below' : 'above';
      for (const layer of round % 2 ? [...inLayers].reverse() : inLayers) {
        for (const item of layer) item.wish = mean(item[side].map((other) => other.place), item.place);
        layer.sort((a, b) => a.wish - b.wish).forEach((item, i) => { item.place = i; });
      }
    }
    for (const layer of inLayers) {
      let x = 0;
      for (const item of layer) {
        item.x = x + item.width / 2;
        x += item.width + gap;
      }
    }
    for (let round = 0; round < 24; ++round) {
      for (const layer of round % 2 ? [...inLayers].reverse() : inLayers) {
        const wish = layer.map((item) => mean([...item.above, ...item.below].map((other) => other.x), item.x));
        const apart = (i) => (layer[i].width + layer[i - 1].width) / 2 + gap;
        const right = [...wish], left = [...wish];
        for (let i = 1; i < layer.length; ++i) right[i] = Math.max(right[i], right[i - 1] + apart(i));
        for (let i = layer.length - 1; i > 0; --i) left[i - 1] = Math.min(left[i - 1], left[i] - apart(i));
        layer.forEach((item, i) => { item.x = (right[i] + left[i]) / 2; });
      }
    }
    const all = inLayers.flat(), margin = Math.min(...all.map((item) => item.x - item.width / 2)) - 4;
    for (const item of all) Object.assign(item, {x: item.x - margin, y: 4 + height / 2 + item.layer * step});
  }
  const all = inLayers.flat();
  const size = [Math.max(width, ...all.map((item) => item.x + item.width / 2)) + 4,
    Math.max(1, inLayers.length) * step - (step - height) + 8].map(Math.ceil);

  const drawing = svg('svg', {width: size[0], height: size[1], viewBox: `0 0 ${size.join(' ')}`, role: 'img',
    'aria-label': `The graph of ${own.length} nodes; the table says the same`});
  const line = (item, dy, kind) => svg('text', {x: item.x, y: item.y + dy, class: kind});
  for (const edge of edges) {
    const points = edge.points.map((item, i) => [item.x, item.y + (i === 0 ? height / 2 : i === edge.points.length - 1 ? -height / 2 : 0)]);
    let path = `M${points[0]}`;
    for (let i = 1; i < points.length; ++i) {
      const [[x0, y0], [x1, y1]] = [points[i - 1], points[i]], middle = (y0 + y1) / 2;
      path += `C${x0} ${middle} ${x1} ${middle} ${x1} ${y1}`;
    }
    const {from, to, input} = edge.data, data = {'data-from': from, 'data-to': to, 'data-input': input};
    const [before, last] = points.slice(-2), [x, y] = last;
    edge.line = svg('path', {d: path, class: 'edge', ...data});
    edge.head = svg('path', {d: `M${x} ${y}l-4-8h8z`, class: 'head'});
    edge.tail = svg('path', {d: `M${points[0]}l-4 8h8z`, class: 'head'});
    edge.note = svg('text', {x: (before[0] + x) / 2, y: (before[1] + y) / 2 + 4, class: 'note'});
    drawing.append(svg('g', {class: 'flow'}, edge.line, edge.head, edge.tail));
  }
  for (const item of items.values()) {
    const box = svg('rect', {x: item.x - width / 2, y: item.y - height / 2, width, height, rx: 6});
    if (item.stretch) {  // a picture of the copies: the first of each, and the others hollow
      const shape = item.stretch, [h, w] = [shape[shape.length - 2] ?? 1, shape[shape.length - 1] ?? 1];
      const copy = count(shape) <= 4096 ? copyOf(item.of.shape, shape) : (i) => i > 0;
      const picture = svg('g', {class: 'copies'});
      for (let i = 0; i < Math.min(h, 4); ++i) {
        for (let j = 0; j < Math.min(w, 5); ++j) {
          picture.append(svg('rect', {x: item.x - width / 2 + 7 + j * 10, y: item.y - Math.min(h, 4) * 5 + i * 10,
            width: 8, height: 8, class: copy(i * w + j) ? 'copy' : 'first'}));
        }
      }
      const at = {...item, x: item.x + Math.min(w, 5) * 5 + 3};
      item.lines = [line(at, -4, 'first'), line(at, 14, 'bar')];
      item.lines[0].append(`stretched ${short(shapeText(shape), 7)}`);
      item.group = svg('g', {class: 'item stretch', 'data-stretch': item.key}, box, picture, ...item.lines);
    } else {
      item.lines = [line(item, -13, 'first'), line(item, 5, 'value'), line(item, 21, 'bar')];
      const {node} = item, title = node.kind === 'operator' ? `${label(node.id)} = ${node.formula}`
        : node.name ?? (node.kind === 'constant' ? `constant v${node.id}` : `${node.op} v${node.id}`);
      item.lines[0].append(short(title, 23));
      item.group = svg('g', {class: `item ${node.kind}`, 'data-node': node.id}, svg('title', {}, title), box, ...item.lines);
    }
    drawing.append(item.group);
  }
  drawing.append(...edges.map((edge) => edge.note));  // above the lines

  // --- The whole, and stepping

  const go = Object.entries({first: 'First', previous: 'Previous', next: 'Next', last: 'Last'}).map(([where, name]) =>
    html('button', {type: 'button', 'data-go': where}, name));
  const position = html('span', {'data-position': ''});
  const now = html('p', {'data-now': '', 'aria-live': 'polite'}), detail = html('div', {'data-detail': ''});
  const panes = [html('div', {class: 'pane'}, table), html('div', {class: 'pane'}, drawing)];
  const root = html('section', {class: 'tape-view', tabindex: 0, 'data-stops': stops.length,
    'aria-label': 'A tape, step by step: the left and right arrow keys step, Home and End go to the ends'},
    html('div', {role: 'group', 'aria-label': 'Steps', class: 'steps'}, ...go, position),
    now, detail, html('div', {class: 'both'}, ...panes));

  const scrollTo = (pane, target) => {  // without moving the page
    const outer = pane.getBoundingClientRect(), inner = target.getBoundingClientRect();
    pane.scrollTop += inner.top + inner.height / 2 - outer.top - outer.height / 2;
    pane.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
  };

  const put = (target, words) => {  // what does not change costs no layout
    if (target.textContent !== words) target.textContent = words;
  };

  let at = 0;
  const show = (next) => {
    at = Math.max(0, Math.min(stops.length - 1, next));
    const stop = stops[at], y = nodes.get(stop.node), reverse = stop.phase === 'reverse';
    const moves = reverse ? replay.steps[stop.step].contributions : [];
    root.dataset.stop = at;
    root.dataset.phase = stop.phase;
    const ends = {first: at === 0, previous: at === 0, next: at === stops.length - 1, last: at === stops.length - 1};
    for (const button of go) button.setAttribute('aria-disabled', ends[button.dataset.go]);
    position.textContent = at === 0 ? `all of ${stops.length - 1} steps` : `step ${at} of ${stops.length - 1}, ${stop.phase}`;
    now.textContent = stop.phase === 'all' ? overviewText()
      : reverse ? reverseText(y, replay.steps[stop.step]) : forwardText(y);
    detail.replaceChildren(...(stop.phase === 'all' ? [] : reverse ? moves.map((c) => contributionDetail(y, c)) : forwardDetail(y)));

    // What has arrived of each cotangent so far.
    const bars = new Map();
    for (const node of own) {
      if (stop.phase === 'all' && node.cotangent) bars.set(node.id, {bar: node.cotangent, arrived: uses.get(node.id)});
    }
    if (reverse) {
      bars.set(replay.result, {bar: nodes.get(replay.result).cotangent});
      for (const {contributions} of replay.steps.slice(0, stop.step + 1)) {
        for (const c of contributions) bars.set(c.to, {bar: c.after, arrived: (bars.get(c.to)?.arrived ?? 0) + 1});
      }
    }
    const touched = new Set(reverse ? moves.map((c) => c.to) : stop.phase === 'forward' ? y.inputs : []);
    for (const node of replay.nodes) {
      const computed = stop.phase !== 'forward' || node.id <= stop.node;
      const value = computed ? text(node.value, node.shape) : '';
      const {bar, arrived} = bars.get(node.id) ?? {}, barText = bar ? text(bar, node.shape) : '';
      const waiting = arrived !== undefined && arrived < uses.get(node.id) ? ` (${arrived} of ${uses.get(node.id)} uses)` : '';
      const state = stop.node === node.id ? 'now' : touched.has(node.id) ? 'touched' : '';
      const item = items.get(node.id);
      put(item.lines[1], short(value, 22));
      put(item.lines[2], barText && short(`bar ${barText}${waiting}`, 22));
      item.group.dataset.state = state;
      if (!rows.has(node.id)) continue;
      const {row, cells} = rows.get(node.id);
      row.dataset.state = state;
      if (state === 'now') row.setAttribute('aria-current', 'step'); else row.removeAttribute('aria-current');
      put(cells.value, value && text(node.value, node.shape, ',\n'));
      put(cells.cotangent, bar ? text(bar, node.shape, ',\n') + waiting : '');
      put(cells['local derivatives'], (computed && node.cotangent ? node.inputs : []).flatMap((id, k) =>
        node.jacobians[k] || (node.derivatives[k] && nodes.get(id).kind !== 'constant')
          ? [`by ${label(id)}: ${localText(node, k)}`] : []).join('\n'));
    }
    const moving = (edge, c) => edge.data.to === stop.node && edge.data.input === c.input;
    for (const edge of edges) {
      const forward = stop.phase === 'forward' && edge.data.to === stop.node, mine = moves.filter((c) => moving(edge, c));
      edge.line.parentNode.dataset.state = forward ? 'forward' : mine.length ? 'reverse' : '';
      put(edge.note, mine.map((c) => edge.from.stretch
        ? text(c.stretched ?? c.contribution, c.stretched?.shape ?? nodes.get(c.to).shape)
        : `+ ${text(c.contribution, nodes.get(c.to).shape)}`).filter((note) => note.length < 18).join('; '));
    }
    for (const item of items.values()) {
      if (!item.stretch) continue;
      const back = reverse && moves.some((c) => item.user === stop.node && item.input === c.input);
      item.group.dataset.state = back || (stop.phase === 'forward' && item.user === stop.node) ? 'touched' : '';
      put(item.lines[1], back ? `sum to ${short(shapeText(item.of.shape), 10)}` : '');
    }
    if (stop.phase !== 'all') {
      if (rows.has(stop.node)) scrollTo(panes[0], rows.get(stop.node).row);
      scrollTo(panes[1], items.get(stop.node).group);
    }
  };

  const targets = {first: () => 0, previous: () => at - 1, next: () => at + 1, last: () => stops.length - 1};
  const keys = {ArrowLeft: 'previous', ArrowRight: 'next', Home: 'first', End: 'last'};
  root.addEventListener('keydown', (event) => {
    if (!keys[event.key] || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(targets[keys[event.key]]());
  });
  root.addEventListener('click', ({target}) => {
    const button = target.closest('[data-go]'), of = target.closest('[data-node]');
    if (button) show(targets[button.dataset.go]());
    if (!of) return;
    const id = Number(of.dataset.node), find = (phase) => stops.findIndex((stop) => stop.phase === phase && stop.node === id);
    const reverse = stops[at].phase === 'reverse' ? find('reverse') : -1;
    show(reverse >= 0 ? reverse : Math.max(0, find('forward')));
  });
  element.replaceChildren(root);
  show(0);
  return {root, go: show};
}
