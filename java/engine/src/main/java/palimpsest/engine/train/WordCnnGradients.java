package palimpsest.engine.train;

import palimpsest.engine.kernel.Spans;
import palimpsest.engine.model.WordCnn;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Per-example gradients of all of a convolutional network: dense, though a text has few of the
 * words, since what enters a clipped sum is one vector of all parameters.
 */
final class WordCnnGradients extends LabelGradients {
  private final WordCnn model;

  WordCnnGradients(WordCnn model, int maxRows, int maxExamples, int held, TensorArena arena) {
    super(model, maxRows, maxExamples, held, arena);
    this.model = model;
  }

  @Override
  public void convolution(int index, Tensor x, Spans spans, Tensor at, Tensor dOut) {
    overVectors((flat, from, to) -> {
      Tensor dFilter = model.filter(flat, index);
      Tensor dBias = model.filterBias(flat, index);
      dFilter.data().fill((byte) 0);
      dBias.data().fill((byte) 0);
      kernels()
          .convolution()
          .exampleGrad(x, dOut, at, spans, from, to, model.width(index), dFilter, dBias);
    });
  }

  @Override
  public void embedding(Tensor dx) {
    Tensor ids = group().ids();
    Tensor positions = group().positions();
    overExamples((flat, from, to) -> {
      Tensor dTable = model.table(flat);
      dTable.data().fill((byte) 0);
      kernels().embedding().exampleGrad(ids, positions, dx, from, to, 1, dTable, null);
    });
  }
}
