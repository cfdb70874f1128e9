package palimpsest.engine.generate;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.TinyModels;

/** A small random model with something tuned that matters, and its logits by whole passes. */
final class TinySetting implements AutoCloseable {
  /** Tokens that a text may have, virtual ones of a prompt not counted. */
  static final int POSITIONS = 64;

  final Kernels kernels;
  final Decoder decoder;
  final TunedDecoder model;
  private final TensorArena arena = new TensorArena();
  private final Trainable tuned;
  private final Activations activations;
  private final TokenGroup group;

  /** With adapters on all linear layers. */
  TinySetting(Kernels kernels, DecoderConfig config, Path folder) {
    this(kernels, config, folder, TuningMethod.Lora.of(3));
  }

  TinySetting(Kernels kernels, DecoderConfig config, Path folder, TuningMethod method) {
    this.kernels = kernels;
    int rows = POSITIONS + method.promptTokens();
    try (ModelFolder base = TinyModels.write(config, folder)) {
      decoder = new Decoder(base, kernels, false, rows);
    }
    tuned = method.parameters(decoder, arena);
    SplittableRandom random = new SplittableRandom(5);
    for (long i = 0; i < tuned.size(); i++) {
      tuned.parameters().set(i, 0.15 * random.nextGaussian());
    }
    tuned.pack();
    model = TunedDecoder.of(decoder, tuned);
    activations =
        new Activations(
            config, kernels, rows, rows, tuned.rank(), Activations.Purpose.FORWARD, arena);
    group = new TokenGroup(rows, 1, tuned.prompt(), kernels.wide(), arena);
  }

  /** The reference, and the CPU library in both of its types. */
  static Stream<Kernels> providers() {
    return Stream.of(new ReferenceKernels(), new CpuKernels(DType.F32), new CpuKernels(DType.BF16));
  }

  /** Logits after each of the tokens, without a cache: [tokens][V]. */
  double[][] logits(int... tokens) {
    group.clear();
    int[] closed = Arrays.copyOf(tokens, tokens.length + 1);
    group.add(closed, 0);
    decoder.forward(group, tuned, activations);
    int first = tuned.prompt().length;
    int[] rows = IntStream.range(first, first + tokens.length).toArray();
    return values(decoder.logits(rows, 0, rows.length, activations));
  }

  /** Log-softmax of {@link #logits} after the last of the tokens. */
  double[] logProbabilities(int... tokens) {
    return logSoftmax(logits(tokens)[tokens.length - 1]);
  }

  static double[] logSoftmax(double[] logits) {
    double top = Arrays.stream(logits).max().orElseThrow();
    double sum = Arrays.stream(logits).map(x -> Math.exp(x - top)).sum();
    return Arrays.stream(logits).map(x -> x - top - Math.log(sum)).toArray();
  }

  static double[][] values(Tensor matrix) {
    double[][] values = new double[(int) matrix.rows()][(int) matrix.cols()];
    for (int i = 0; i < values.length; i++) {
      for (int j = 0; j < values[i].length; j++) {
        values[i][j] = matrix.get(i, j);
      }
    }
    return values;
  }

  @Override
  public void close() {
    decoder.close();
    arena.close();
  }
}
