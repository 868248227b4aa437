// Once the engine is there, all parts begin.
'use strict';

themeSwitch();
tapesortEngine().then((engine) => {
  engineAnswer = engine.cwrap('answer', 'string', ['string']);
  for (const part of [startTape, startSort, startRace, startStudy, startLearning]) part();
  byId('loading').hidden = true;
  document.documentElement.dataset.ready = 'true';
}).catch((error) => {
  byId('loading').textContent = `The page could not start: ${error.message}. It needs a browser with WebAssembly (SIMD), of 2024 or later.`;
  throw error;
});
