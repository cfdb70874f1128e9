package palimpsest.engine.model;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import palimpsest.engine.model.TensorNames.Slot;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.SafetensorsFolder;
import palimpsest.engine.weights.SafetensorsWriter;

/**
 * A pretrained decoder on disk, in Hugging Face's layout: config.json, safetensors, tokenizer.json.
 *
 * <p>Opened, it has been checked in full: every tensor the configuration asks for is there with the
 * shape it asks for, and nothing else is. The numbers are mapped, not read; tensors are views that
 * end with {@link #close}.
 */
public final class ModelFolder implements AutoCloseable {
  public static final String CONFIG = "config.json";
  public static final String TOKENIZER = "tokenizer.json";

  /** The card of a model that was tuned on private records; it goes wherever the weights go. */
  public static final String CARD = "palimpsest.json";

  /** The privacy statement that such a model was released with. */
  public static final String STATEMENT = "STATEMENT.txt";

  private static final int TILE = 32;

  private final DecoderConfig config;
  private final CheckedWeights weights;

  private ModelFolder(DecoderConfig config, CheckedWeights weights) {
    this.config = config;
    this.weights = weights;
  }

  /**
   * Opens and checks a model.
   *
   * @throws ModelFileException if a file is missing or malformed, or the weights are not those that
   *     the configuration describes
   */
  public static ModelFolder open(Path path) {
    DecoderConfig config = DecoderConfig.fromJson(CheckedWeights.configOf(path));
    return new ModelFolder(config, CheckedWeights.open(path, config));
  }

  /**
   * SHA-256 of the weights: of each tensor's name, type, shape and numbers, in the order of the
   * names, so that it does not depend on how they are spread over files. It reads all of them, at a
   * gigabyte or more a second.
   *
   * @return 64 hexadecimal digits
   */
  public String digest() {
    return weights.digest();
  }

  /** Bytes of the weights as they lie on disk, which count as this process's once they are read. */
  public long bytes() {
    return weights.bytes();
  }

  public Path path() {
    return weights.path();
  }

  public DecoderConfig config() {
    return config;
  }

  /** The tokenizer.json, if the folder has one. */
  public Optional<Path> tokenizer() {
    return weights.tokenizer();
  }

  /** Whether the matrix of a role is stored [in, out] (GPT-2) and not [out, in]. */
  public boolean inputMajor(Role role) {
    return config.family().equals("gpt2") && role.isLinear();
  }

  /**
   * A tensor as it is stored, without a copy. A tied {@code HEAD} is the embedding; {@code QUERY},
   * {@code KEY} and {@code VALUE} of a fused tensor are its columns.
   *
   * @param layer 0 for tensors of the whole model
   * @throws IllegalArgumentException if this model has no such tensor
   */
  public Tensor weight(Role role, int layer) {
    if (role == Role.HEAD && config.tiedHead()) {
      return weight(Role.EMBEDDING, 0);
    }
    return find(role, layer, false)
        .orElseThrow(() ->
            new IllegalArgumentException(
                "this " + config.family() + " model has no " + role + " in layer " + layer));
  }

  private Tensor stored(Slot slot) {
    return find(slot.role(), slot.layer(), slot.bias()).orElseThrow();
  }

  /** The bias of a role, if it has one. */
  public Optional<Tensor> bias(Role role, int layer) {
    return find(role, layer, true);
  }

  /**
   * The matrix of a linear layer as [out, in]: the stored tensor, or a transposed copy where the
   * file stores [in, out].
   *
   * @param arena holds the copy
   */
  public Tensor linear(Role role, int layer, TensorArena arena) {
    Tensor stored = weight(role, layer);
    if (!inputMajor(role)) {
      return stored;
    }
    return transpose(stored, arena.allocate(stored.type(), stored.cols(), stored.rows()));
  }

  private Optional<Tensor> find(Role role, int layer, boolean bias) {
    Optional<Tensor> stored = weights.find(role, layer, bias);
    if (stored.isPresent() || !config.attention().fused()) {
      return stored;
    }
    long queries = config.attention().queryWidth();
    long keys = config.attention().keyWidth();
    return switch (role) {
      case QUERY -> part(layer, bias, 0, queries);
      case KEY -> part(layer, bias, queries, keys);
      case VALUE -> part(layer, bias, queries + keys, keys);
      default -> Optional.empty();
    };
  }

  private Optional<Tensor> part(int layer, boolean bias, long first, long count) {
    return find(Role.QUERY_KEY_VALUE, layer, bias)
        .map(fused -> {
          if (!bias && !inputMajor(Role.QUERY_KEY_VALUE)) {
            return fused.rows(first, count);
          }
          Tensor columns = fused.columns(first, count);
          return bias ? columns.reshape(count) : columns;
        });
  }

  private static Tensor transpose(Tensor from, Tensor to) {
    for (long row = 0; row < from.rows(); row += TILE) {
      for (long col = 0; col < from.cols(); col += TILE) {
        for (long r = row; r < Math.min(row + TILE, from.rows()); r++) {
          for (long c = col; c < Math.min(col + TILE, from.cols()); c++) {
            to.set(c, r, from.get(r, c));
          }
        }
      }
    }
    return to;
  }

  /** Gives the tensors of a model that is to be written. */
  @FunctionalInterface
  public interface Values {
    /** Linear layers as [out, in], in every family; a bias or norm as a vector. */
    Tensor get(Role role, int layer, boolean bias);
  }

  /**
   * Writes a model folder, whole or not at all.
   *
   * @param path must not exist yet
   * @param tokenizer a tokenizer.json to go with it, or nothing
   * @throws ModelFileException if it cannot be written
   */
  public static void write(Path path, ModelConfig config, Values values, Optional<Path> tokenizer) {
    List<SafetensorsWriter.Item> items = new ArrayList<>();
    DType type = values.get(Role.EMBEDDING, 0, false).type();
    for (Slot slot : TensorNames.of(config).slots()) {
      Tensor tensor = values.get(slot.role(), slot.layer(), slot.bias());
      if (tensor.size() != slot.size()) {
        throw new IllegalArgumentException(
            slot.name() + " has " + tensor + ", the file takes " + Arrays.toString(slot.shape()));
      }
      items.add(
          item(
              slot,
              tensor.type(),
              slot.inputMajor()
                  ? stored -> transpose(tensor, stored)
                  : stored -> stored.copyFrom(tensor)));
    }
    write(path, config, type, items, tokenizer);
  }

  /**
   * Writes weights that were trained, as a model folder of its own.
   *
   * @param path must not exist yet
   * @param parameters of that layout
   * @param frozen gives what the layout leaves out, which is written as it lies there, bit by bit;
   *     null where it leaves out nothing
   * @param matrices type of the trained matrices in the file; trained vectors are F32
   */
  static void write(
      Path path,
      DecoderConfig config,
      WeightLayout layout,
      Tensor parameters,
      ModelFolder frozen,
      DType matrices,
      Optional<Path> tokenizer) {
    List<SafetensorsWriter.Item> items = new ArrayList<>();
    for (Slot slot : TensorNames.of(config).slots()) {
      boolean trained = layout.holds(slot);
      Tensor tensor = trained ? layout.of(slot, parameters) : frozen.stored(slot);
      DType type = !trained ? tensor.type() : slot.shape().length == 1 ? DType.F32 : matrices;
      items.add(item(slot, type, stored -> stored.copyFrom(tensor)));
    }
    write(path, config, matrices, items, tokenizer);
  }

  private static SafetensorsWriter.Item item(Slot slot, DType type, Consumer<Tensor> values) {
    return new SafetensorsWriter.Item(
        slot.name(),
        type,
        slot.shape(),
        sink -> {
          try (TensorArena scratch = new TensorArena()) {
            Tensor stored = scratch.allocate(type, slot.shape());
            values.accept(stored);
            sink.write(stored.data().asSlice(0, stored.size() * type.bytes()));
          }
        });
  }

  private static void write(
      Path path,
      ModelConfig config,
      DType type,
      List<SafetensorsWriter.Item> items,
      Optional<Path> tokenizer) {
    AtomicFiles.folder(
        path,
        folder -> {
          config.toJson(folder.resolve(CONFIG), type);
          SafetensorsWriter.write(
              folder.resolve(SafetensorsFolder.SINGLE), items, Map.of("format", "pt"));
          if (tokenizer.isPresent()) {
            Files.copy(tokenizer.get(), folder.resolve(TOKENIZER));
          }
        });
  }

  /**
   * Lets go of the weights, whose pages count as this process's memory as long as they are mapped.
   * All else can still be asked for; closing again does nothing.
   */
  @Override
  public void close() {
    weights.close();
  }
}
