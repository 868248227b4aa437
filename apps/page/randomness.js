// Randomness: Plackett-Luce as a race, and estimators of a gradient.
'use strict';

function startRace() {
  const items = 4, start = [1, 0.5, 0, -0.5];
  const sliders = start.map((s, j) => {
    const input = html('input', {type: 'range', id: `race-score-${j}`, min: -3, max: 3, step: 0.05, value: s, 'data-race-score': j});
    const output = html('output', {for: `race-score-${j}`}, String(s));
    input.addEventListener('input', () => {
      output.textContent = String(Number(input.value));
      showAll();
    });
    byId('race-scores').append(html('label', {class: 'slider'}, html('span', {class: 'swatch', style: `background: ${itemColour(j)}`}), `s of ${letter(j)} `, input, output));
    return input;
  });
  const seed = integer('race-seed', showAll), number = integer('race-number', () => showRace(true));
  const samples = slider('race-samples', 10, 100000, 1000, () => guarded('race-error', showHistogram));
  const logScores = () => sliders.map((input) => Number(input.value));
  let running = 0;

  // --- One race

  function showRace(animate) {
    guarded('race-error', () => {
      const s = logScores(), a = ask({ask: 'race', log_scores: s, seed: seed.value, race: number.value});
      byId('race-summary').replaceChildren(html('span', exact(a.log_prob),
        `Race ${number.value}: ${a.order.map(letter).join(', ')}. An order of probability ${shown(Math.exp(a.log_prob), 3)}.`));
      const end = Math.max(...a.times), still = !animate || matchMedia('(prefers-reduced-motion: reduce)').matches;
      const frame = ++running, begin = performance.now(), duration = 1800;
      const paint = (now) => {
        if (frame !== running) return;
        const time = still ? end : Math.min(end, (now - begin) / duration * end);
        byId('race-track').replaceChildren(track(s, a, time, end));
        if (time < end) requestAnimationFrame(paint);
      };
      paint(begin);
    });
  }

  function track(s, a, time, end) {
    const width = room('race-track'), narrow = width < 600, left = 16, right = narrow ? 44 : 300, lane = 36, top = 26, height = top + items * lane + 40;
    const X = (t) => left + t / end * (width - left - right);
    const place = (j) => a.order.indexOf(j) + 1;
    const columns = [['score s', 'score', 210], ['noise G', 'noise', 140], ['s + G', 'perturbed', 75], ['time t', 'time', 8]];
    return drawing(width, height, `The race: ${a.order.map(letter).join(', ')}`,
      narrow ? null : columns.map(([name, , x]) => svg('text', {class: 'soft', x: width - x, y: 16, 'text-anchor': 'end'}, name)),
      ticks(0, end, narrow ? 3 : 6).map((t) => [svg('line', {class: 'axis', x1: X(t), x2: X(t), y1: top, y2: top + items * lane}),
        svg('text', {class: 'soft', x: X(t), y: top + items * lane + 16, 'text-anchor': 'middle'}, String(t))]),
      svg('text', {class: 'soft', x: X(end / 2), y: height - 6, 'text-anchor': 'middle'}, 'time t'),
      s.map((score, j) => {
        const y = top + (j + 0.5) * lane, there = time >= a.times[j];
        const number = (x, right, name) => svg('text', {x: width - right, y: y + 5, 'text-anchor': 'end', 'data-race': name, 'data-item': j, 'data-value': String(x)},
          svg('title', {}, String(x)), shown(x, 3));
        return [svg('line', {class: 'axis', x1: left, x2: X(end), y1: y, y2: y}),
          svg('line', {x1: left, x2: X(Math.min(time, a.times[j])), y1: y, y2: y, style: `stroke: ${itemColour(j)}; stroke-width: 3`}),
          svg('circle', {cx: X(Math.min(time, a.times[j])), cy: y, r: 11, style: `fill: ${itemColour(j)}`}),
          svg('text', {x: X(Math.min(time, a.times[j])), y: y + 5, 'text-anchor': 'middle', style: 'fill: var(--paper); font-weight: 700'}, letter(j)),
          there ? svg('text', {x: X(a.times[j]) + 16, y: y + 5, class: 'soft'}, ['1st', '2nd', '3rd', '4th'][place(j) - 1]) : null,
          narrow ? null : [score, a.noise[j], score + a.noise[j], a.times[j]].map((x, k) => number(x, columns[k][2], columns[k][1]))];
      }));
  }

  // --- Many

  function showHistogram() {
    const S = samples.value, a = ask({ask: 'orders', log_scores: logScores(), seed: seed.value, samples: S});
    const probability = a.log_prob.map(Math.exp);
    const order = a.orders.map((_, i) => i).sort((i, j) => probability[j] - probability[i]);
    const chance = (p) => 2 * Math.sqrt(p * (1 - p) / S);
    const most = Math.max(...probability.map((p) => p + chance(p)), ...a.counts.map((c) => c / S)) * 1.03;
    const width = room('race-histogram');
    byId('race-histogram').replaceChildren(plot({
      width, height: 280, bottom: width < 800 ? 64 : 42, label: `Histogram of ${S} sampled orders beside their probabilities`,
      x: {from: 0, to: order.length, label: `orders, first place first, by probability; ${S} races`, ticks: []}, y: {from: 0, to: most, label: 'share'},
      draw: (X, Y) => order.map((r, k) => {
        const share = a.counts[r] / S, p = probability[r], w = X(1) - X(0), x = X(k), name = a.orders[r].map(letter).join('');
        return svg('g', {'data-order': name, 'data-count': a.counts[r], 'data-log-prob': String(a.log_prob[r])},
          svg('title', {}, `${name}: ${a.counts[r]} of ${S}, probability ${p}`),
          svg('rect', {x: x + w * 0.15, y: Y(share), width: w * 0.7, height: Y(0) - Y(share), style: 'fill: var(--forward); fill-opacity: 0.45'}),
          svg('line', {x1: x + w * 0.05, x2: x + w * 0.95, y1: Y(p), y2: Y(p), style: 'stroke: var(--reverse); stroke-width: 2.5'}),
          svg('line', {x1: x + w / 2, x2: x + w / 2, y1: Y(Math.max(0, p - chance(p))), y2: Y(p + chance(p)), style: 'stroke: var(--reverse)'}),
          w > 30 ? svg('text', {class: 'soft', x: x + w / 2, y: Y(0) + 15, 'text-anchor': 'middle', style: 'font-size: 11px'}, name)
            : svg('text', {class: 'soft', transform: `translate(${x + w / 2 + 3} ${Y(0) + 30}) rotate(-90)`, style: 'font-size: 9px'}, name));
      }),
    }));
  }

  function showAll() {
    showRace(false);
    guarded('race-error', showHistogram);
  }
  byId('race-next').addEventListener('click', () => { number.value = (number.value + 1) % 10000; showRace(true); });
  byId('race-replay').addEventListener('click', () => showRace(true));
  redraws.push(showAll);
  showAll();
}

function startStudy() {
  const tau = slider('study-tau', 0.01, 100, 1, restart), cost = byId('study-cost');
  const n = integer('study-n', restart), samples = integer('study-samples', restart), seed = integer('study-seed', restart);
  const least = 1e-3, most = 1e2;
  let chunk = 10;  // estimates a frame, as many as keep the page responsive

  function restart() {
    guarded('study-error', () => draw(ask({ask: 'study', cost: cost.value, n: n.value, tau: tau.value, samples: samples.value, seed: seed.value, spread: 1, warm_up: 200})));
  }
  function more(estimates) {
    guarded('study-error', () => draw(ask({ask: 'estimate', estimates})));
    return byId('study-error').textContent === '';
  }

  // One number on a logarithmic scale; `band`: as large as chance makes it.
  function scale(value, band, colour) {
    const width = 400, X = (v) => Math.log(Math.min(most, Math.max(least, v)) / least) / Math.log(most / least) * (width - 20) + 10;
    return svg('svg', {viewBox: `0 0 ${width} 24`, preserveAspectRatio: 'none', 'aria-hidden': 'true'},
      [1e-3, 1e-2, 1e-1, 1, 10, 100].map((v) => svg('line', {class: 'axis', x1: X(v), x2: X(v), y1: 0, y2: 24, style: v === 1 ? 'stroke: var(--soft)' : ''})),
      band ? svg('rect', {x: X(least), width: X(band) - X(least), y: 5, height: 14, style: `fill: ${colour}; fill-opacity: 0.2`}) : null,
      value !== undefined ? svg('rect', {x: X(value) - 3, width: 6, y: 2, height: 20, style: `fill: ${colour}`}) : null);
  }

  const scaleLabels = () => html('div', {class: 'scale-labels'}, ['.001', '.01', '.1', '1', '10', '100'].map((text, i) => html('span', {style: `left: ${2.5 + 19 * i}%`}, text)));

  function draw(a) {
    const done = Math.min(...a.estimators.map((e) => e.estimates));
    byId('study-summary').replaceChildren(html('span', exact(a.length), `The true gradient at log-scores ${a.log_scores.map((s) => shown(s, 3)).join(', ')} has length ${shown(a.length, 4)}. `),
      done === 0 ? 'No estimates yet (the learnt ones warm up for 200 first).' : `${done} estimates of each, or more.`);
    const unit = a.length || 1;
    const number = (x, name) => html('td', {...exact(x), 'data-column': name}, shown(x === undefined ? undefined : x / unit, 3));
    byId('study-table').replaceChildren(html('caption', {}, 'In units of the gradient’s length, on a logarithmic scale; the darker line is 1.'),
      html('thead', {}, html('tr', {}, ['estimator', 'estimates', 'bias', null, 'deviation', null].map((title) => title === null ? html('td', {class: 'scale', 'aria-hidden': 'true'}, scaleLabels()) : html('th', {scope: 'col'}, title)))),
      html('tbody', {}, a.estimators.map((e) => html('tr', {'data-estimator': e.estimator, ...(e.variance === undefined ? {} : {'data-variance': String(e.variance)})},
        html('th', {scope: 'row'}, e.estimator), html('td', {'data-column': 'estimates'}, e.estimates),
        number(e.bias, 'bias'), html('td', {class: 'scale'}, scale(e.bias === undefined ? undefined : e.bias / unit, e.noise / unit, 'var(--reverse)')),
        number(e.variance === undefined ? undefined : Math.sqrt(e.variance), 'deviation'),
        html('td', {class: 'scale'}, scale(e.variance === undefined ? undefined : Math.sqrt(e.variance) / unit, 0, 'var(--forward)'))))));
  }

  const runner = repeating('study-run', ['Run', 'Pause'], () => {
    const begin = performance.now(), go = more(chunk), time = performance.now() - begin;
    chunk = Math.max(1, Math.min(200, Math.round(chunk * (time < 20 ? 1.3 : 0.7))));
    return go;
  });
  byId('study-step').addEventListener('click', () => more(100));
  byId('study-reset').addEventListener('click', () => { runner.stop(); restart(); });
  cost.addEventListener('change', restart);
  restart();
}
