package palimpsest.engine.model;

import java.nio.file.Path;
import java.util.Optional;
import java.util.random.RandomGenerator;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

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

  /** Where frozen weights are read again when the model is written; null before the start. */
  private ModelFolder source;

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
   * @param base must stay open until {@link #write} if it is {@linkplain #readsBaseAgain read again}
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
    source = base;
  }

  @Override
  public boolean readsBaseAgain() {
    return !method.trained().isAll();
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
   */
  void write(Path path, Optional<Path> tokenizer) {
    DType matrices = decoder.kernels().compute() == DType.BF16 ? DType.BF16 : DType.F32;
    ModelFolder.write(path, decoder.config(), layout, parameters(), source, matrices, tokenizer);
  }

  @Override
  public void pack() {
    base = false;
    decoder.repack(layout, parameters());
  }
}
