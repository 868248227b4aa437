// The tape: programs, recorded and replayed (replay/view.js draws).
'use strict';

const tapeExamples = [
  ['two paths', '# b is used twice, so two cotangents arrive there.\na = 2;\nb = a * a;\nc = exp(b) + b'],
  ['broadcasting', '# A row is stretched over two rows; its cotangent is the sum over them.\nX = [[1, 2, 3], [4, 5, 6]];\nrow = [0.1, 0.2, 0.3];\nmean((X + row)^2)'],
  ['softmax', '# The cross-entropy of a softmax: its gradient is p - y.\nlogits = [2, 1, 0.1];\ny = constant([1, 0, 0]);\nloss = -sum(y * log_softmax(logits))'],
  ['a layer', 'x = constant([[1, -2], [0.5, 3]]);\nW = [[0.3, -0.1], [0.2, 0.4]];\nb = [0.1, -0.2];\nh = tanh(x @ W + b);\nloss = mean(h * h)'],
  ['NeuralSort', '# The sum of the first two places of the soft sort.\ns = [0.1, 0.9, 0.4];\nP = neural_sort(s, 0.5);\nsorted = P @ s;\ntop = sum(slice(sorted, 0, 0, 2))'],
  ['logistic loss', 'w = [0.5, -1];\nX = constant([[1, 2], [3, 1], [-1, 1]]);\ny = constant([1, 1, -1]);\nloss = mean(softplus(-y * (X @ w)))'],
];

function startTape() {
  const program = byId('tape-program'), example = byId('tape-example');
  const show = () => guarded('tape-error', () => tapeView(byId('tape-view'), ask({ask: 'tape', program: program.value})));
  tapeExamples.forEach(([name], i) => example.append(html('option', {value: i}, name)));
  example.addEventListener('change', () => {
    program.value = tapeExamples[example.value][1];
    program.rows = program.value.split('\n').length + 1;
    show();
  });
  program.addEventListener('input', show);
  byId('tape-functions').append(...ask({ask: 'functions'}).flatMap((signature) => [html('code', {}, signature), ' ']));
  program.value = tapeExamples[0][1];
  program.rows = 5;
  show();
}
