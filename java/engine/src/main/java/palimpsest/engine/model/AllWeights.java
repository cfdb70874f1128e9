package palimpsest.engine.model;

import java.nio.file.Path;
import java.util.Optional;
import java.util.random.RandomGenerator;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.ModelFileException;

/**
 * A model's own weights, all or some: full fine-tuning. The values that are trained are wide; the
 * decoder's packed weights are their rounded copy, so the decoder is the base model no more. What
 * stays frozen is in the decoder's packed form alone.
 */
public final class AllWeights extends Trainable {
  private final Decoder decoder;
  private final WeightLayout layout;
  private final TuningMethod.Full method;
  private boolean base;

  /** Where weights that stay frozen are read again when the model is written. */
  private Optional<Source> frozen = Optional.empty();

  /**
   * A model folder, which may have changed since.
   *
   * @param digest of its weights as they were
   */
  private record Source(Path path, String digest) {
    ModelFolder open() {
      ModelFolder folder = ModelFolder.open(path);
      if (!folder.digest().equals(digest)) {
        folder.close();
        throw new ModelFileException(
            path + ": these are not the weights that training started from; put them back");
      }
      return folder;
    }
  }

  /**
   * All weights, with exact norms.
   *
   * @param decoder the model whose weights are trained; {@link #pack} changes it
   * @param arena holds the wide weights
   */
  public AllWeights(Decoder decoder, TensorArena arena) {
    this(decoder, new TuningMethod.Full(), arena);
  }

  /**
   * @param decoder the model whose weights are trained; {@link #pack} changes it
   * @param method which weights, and where the norms that gradients are clipped by come from
   * @param arena holds the wide weights
   * @throws IllegalArgumentException if a pattern matches none of them, or none is left
   */
  public AllWeights(Decoder decoder, TuningMethod.Full method, TensorArena arena) {
    WeightLayout layout = new WeightLayout(decoder.config(), method.trained());
    super(decoder.kernels(), layout.size(), arena);
    this.decoder = decoder;
    this.layout = layout;
    this.method = method;
  }

  @Override
  public TuningMethod method() {
    return method;
  }

  /** Where the norms that gradients are clipped by come from. */
  public Norms norms() {
    return method.norms();
  }

  /** Where each weight that is trained lies in the flat parameters. */
  public WeightLayout layout() {
    return layout;
  }

  /**
   * The base model's weights.
   *
   * @param base may be closed afterwards; what stays frozen is read again when the model is written
   */
  @Override
  public void initialize(ModelFolder base, RandomGenerator random) {
    for (WeightLayout.Matrix matrix : layout.matrices()) {
      matrix.of(parameters()).copyFrom(base.weight(matrix.role(), matrix.layer()));
    }
    for (WeightLayout.Vector vector : layout.vectors()) {
      Tensor stored =
          vector.bias()
              ? base.bias(vector.role(), vector.layer()).orElseThrow()
              : base.weight(vector.role(), vector.layer());
      vector.of(layout.vectors(parameters())).copyFrom(stored);
    }
    pack();
    this.base = true;
    if (layout.size() < new WeightLayout(decoder.config()).size()) {
      frozen = Optional.of(new Source(base.path(), base.digest()));
    }
  }

  /** Whether they still are the base model's. */
  boolean isBase() {
    return base;
  }

  /**
   * Writes the model as a folder: what was trained in the types that the decoder computes with (it
   * keeps vectors wide), what stayed frozen as the base model's file has it.
   *
   * @param path must not exist yet
   * @param tokenizer a tokenizer.json to go with it, if there is one
   * @throws ModelFileException if weights are frozen and the base model's files are no longer what
   *     training started from; nothing is written then
   */
  void write(Path path, Optional<Path> tokenizer) {
    DType matrices = decoder.kernels().compute() == DType.BF16 ? DType.BF16 : DType.F32;
    try (ModelFolder source = frozen.map(Source::open).orElse(null)) {
      ModelFolder.write(path, decoder.config(), layout, parameters(), source, matrices, tokenizer);
    }
  }

  @Override
  public void pack() {
    base = false;
    decoder.repack(layout, parameters());
  }
}
