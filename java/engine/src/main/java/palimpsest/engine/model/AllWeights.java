package palimpsest.engine.model;

import java.nio.file.Path;
import java.util.Optional;
import java.util.random.RandomGenerator;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * All of a model's own weights: full fine-tuning. The values that are trained are wide; the
 * decoder's packed weights are their rounded copy, so the decoder is the base model no more.
 */
public final class AllWeights extends Trainable {
  private final Decoder decoder;
  private final WeightLayout layout;
  private final Norms norms;
  private boolean base;

  /**
   * With exact norms.
   *
   * @param decoder the model whose weights are trained; {@link #pack} changes it
   * @param arena holds the wide weights
   */
  public AllWeights(Decoder decoder, TensorArena arena) {
    this(decoder, Norms.EXACT, arena);
  }

  /**
   * @param decoder the model whose weights are trained; {@link #pack} changes it
   * @param norms where the norms that gradients are clipped by come from
   * @param arena holds the wide weights
   */
  public AllWeights(Decoder decoder, Norms norms, TensorArena arena) {
    WeightLayout layout = new WeightLayout(decoder.config());
    super(decoder.kernels(), layout.size(), arena);
    this.decoder = decoder;
    this.layout = layout;
    this.norms = norms;
  }

  @Override
  public TuningMethod method() {
    return new TuningMethod.Full(norms);
  }

  /** Where the norms that gradients are clipped by come from. */
  public Norms norms() {
    return norms;
  }

  /** Where each weight lies in the flat parameters. */
  public WeightLayout layout() {
    return layout;
  }

  /** The base model's weights. */
  @Override
  public void initialize(ModelFolder base, RandomGenerator random) {
    for (WeightLayout.Matrix matrix : layout.matrices()) {
      matrix.of(parameters()).copyFrom(base.weight(matrix.role(), matrix.layer()));
    }
    Tensor vectors = layout.vectors(parameters());
    for (WeightLayout.Vector vector : layout.vectors()) {
      Tensor stored =
          vector.bias()
              ? base.bias(vector.role(), vector.layer()).orElseThrow()
              : base.weight(vector.role(), vector.layer());
      vector.of(vectors).copyFrom(stored);
    }
    pack();
    this.base = true;
  }

  /** Whether they still are the base model's. */
  boolean isBase() {
    return base;
  }

  /**
   * Writes them as a model folder, in the types that the decoder computes with: it keeps vectors
   * wide.
   *
   * @param path must not exist yet
   * @param tokenizer a tokenizer.json to go with it, if there is one
   */
  void write(Path path, Optional<Path> tokenizer) {
    DType matrices = decoder.kernels().compute() == DType.BF16 ? DType.BF16 : DType.F32;
    ModelFolder.write(path, decoder.config(), layout, parameters(), matrices, tokenizer);
  }

  @Override
  public void pack() {
    base = false;
    decoder.repack(layout, parameters());
  }
}
