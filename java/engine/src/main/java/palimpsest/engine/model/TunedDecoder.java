package palimpsest.engine.model;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.random.RandomGenerator;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.ModelFileException;

/**
 * A decoder with what was or is being tuned of it, in whatever way; without, it is the base model.
 * Whoever reads tokens with it puts the virtual tokens of a soft prompt in front: {@link
 * TokenGroup} does it for examples, {@link #behindPrompt} for everything else.
 */
public final class TunedDecoder implements AutoCloseable {
  private final Decoder decoder;
  private final Trainable tuned;

  /** The decoder's weights are not the base model's. */
  private final boolean whole;

  private final Optional<Path> tokenizer;
  private final TensorArena arena;

  /**
   * @param whole all weights were tuned
   * @param tokenizer of the base model, if it has one
   */
  private TunedDecoder(
      Decoder decoder,
      Trainable tuned,
      boolean whole,
      Optional<Path> tokenizer,
      TensorArena arena) {
    this.decoder = decoder;
    this.tuned = tuned;
    this.whole = whole;
    this.tokenizer = tokenizer;
    this.arena = arena;
  }

  /**
   * A view of a decoder that somebody else closes.
   *
   * @param tuned made for this decoder, or null for the base model
   */
  public static TunedDecoder of(Decoder decoder, Trainable tuned) {
    return new TunedDecoder(decoder, tuned, false, Optional.empty(), null);
  }

  /**
   * A model at the start of training; the decoder can go backward.
   *
   * @param folder may be closed afterwards; {@link #write} reads its files again for weights of the
   *     model's own that stay frozen beside trained ones
   * @param maxTokens the longest example, virtual tokens not counted
   * @param random of the parameters' first values
   * @throws IllegalArgumentException if the model cannot be tuned this way, or its context is too
   *     short
   */
  public static TunedDecoder begin(
      ModelFolder folder,
      Kernels kernels,
      int maxTokens,
      TuningMethod method,
      RandomGenerator random) {
    TunedDecoder begun = load(folder, kernels, true, maxTokens, method);
    begun.tuned.initialize(folder, random);
    return begun;
  }

  /**
   * The base model alone, for reading and sampling.
   *
   * @param folder may be closed afterwards
   * @param maxTokens the longest text
   */
  public static TunedDecoder untuned(ModelFolder folder, Kernels kernels, int maxTokens) {
    Decoder decoder = new Decoder(folder, kernels, false, maxTokens);
    return new TunedDecoder(decoder, null, false, folder.tokenizer(), new TensorArena());
  }

  /**
   * A tuned model as it was written, for reading and sampling.
   *
   * @param folder of the base model; may be closed afterwards
   * @param maxTokens the longest text, virtual tokens not counted
   * @param saved what {@link #write} or another program wrote
   * @throws palimpsest.engine.weights.ModelFileException if that cannot be read or does not fit the
   *     base model
   */
  public static TunedDecoder open(ModelFolder folder, Kernels kernels, int maxTokens, Path saved) {
    if (Files.exists(saved.resolve(ModelFolder.CONFIG))) {
      return openWhole(folder, kernels, maxTokens, saved);
    }
    try (TunedFolder tuned = TunedFolder.open(saved, folder.config())) {
      TunedDecoder opened = load(folder, kernels, false, maxTokens, tuned.method());
      tuned.copyTo(opened.tuned);
      return opened;
    }
  }

  /** Full fine-tuning leaves a model of its own. */
  private static TunedDecoder openWhole(
      ModelFolder folder, Kernels kernels, int maxTokens, Path saved) {
    try (ModelFolder whole = ModelFolder.open(saved)) {
      if (!whole.config().equals(folder.config())) {
        throw new ModelFileException(
            saved + ": this model is not of the base model's form, so it was not tuned from it");
      }
      Decoder decoder = new Decoder(whole, kernels, false, maxTokens);
      return new TunedDecoder(decoder, null, true, whole.tokenizer(), new TensorArena());
    }
  }

  private static TunedDecoder load(
      ModelFolder folder, Kernels kernels, boolean backward, int maxTokens, TuningMethod method) {
    Decoder decoder =
        new Decoder(folder, kernels, backward, Math.addExact(maxTokens, method.promptTokens()));
    TensorArena arena = new TensorArena();
    try {
      return new TunedDecoder(
          decoder, method.parameters(decoder, arena), false, folder.tokenizer(), arena);
    } catch (RuntimeException e) {
      arena.close();
      decoder.close();
      throw e;
    }
  }

  /**
   * Writes what was tuned, whole or not at all.
   *
   * @param path must not exist yet
   * @param baseModel name of the base model
   * @throws IllegalStateException if nothing was tuned
   */
  public void write(Path path, String baseModel) {
    if (tuned == null) {
      throw new IllegalStateException("the base model has nothing that was tuned");
    }
    if (tuned instanceof AllWeights weights) {
      weights.write(path, tokenizer);
    } else {
      TunedFolder.write(path, decoder.config(), tuned, baseModel);
    }
  }

  public Decoder decoder() {
    return decoder;
  }

  /** What is tuned; null for the base model. */
  public Trainable tuned() {
    return tuned;
  }

  /**
   * The same decoder as the base model, as long as this one is open and keeps its own weights.
   *
   * @throws IllegalStateException if they have been trained
   */
  public TunedDecoder base() {
    if (whole || tuned instanceof AllWeights weights && !weights.isBase()) {
      throw new IllegalStateException("the base model's weights have been trained away");
    }
    return of(decoder, null);
  }

  /** Width of the low-rank products that a pass keeps; 0 for none. */
  public int rank() {
    return tuned == null ? 0 : tuned.rank();
  }

  /** Tokens with the virtual ones in front: what the decoder is to read. */
  public int[] behindPrompt(int[] tokens) {
    int[] prompt = tuned == null ? new int[0] : tuned.prompt();
    int[] framed = Arrays.copyOf(prompt, prompt.length + tokens.length);
    System.arraycopy(tokens, 0, framed, prompt.length, tokens.length);
    return framed;
  }

  /** Closes the decoder and what is tuned, unless this is a view of somebody else's. */
  @Override
  public void close() {
    if (arena != null) {
      arena.close();
      decoder.close();
    }
  }
}
