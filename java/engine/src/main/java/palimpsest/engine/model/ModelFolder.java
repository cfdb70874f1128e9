package palimpsest.engine.model;

import static palimpsest.engine.weights.ModelFileException.quote;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Consumer;
import palimpsest.engine.model.TensorNames.Slot;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.SafetensorsFolder;
import palimpsest.engine.weights.SafetensorsWriter;
import palimpsest.engine.weights.Sha256;

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

  /** What GPT-2's own files leave out of the names. */
  static final String OPTIONAL_PREFIX = "transformer.";

  private static final int TILE = 32;
  private static final long DIGEST_PIECE = 1 << 20;

  private record Key(Role role, int layer, boolean bias) {}

  private final Path path;
  private final DecoderConfig config;
  private final SafetensorsFolder weights;
  private final Map<Key, Slot> slots = new HashMap<>();
  private boolean closed;

  private ModelFolder(Path path, DecoderConfig config, SafetensorsFolder weights) {
    this.path = path;
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
    if (!Files.isDirectory(path)) {
      throw new ModelFileException("no such model folder: " + path);
    }
    DecoderConfig config = DecoderConfig.fromJson(path.resolve(CONFIG));
    SafetensorsFolder weights = SafetensorsFolder.open(path);
    try {
      ModelFolder folder = new ModelFolder(path, config, weights);
      folder.check();
      return folder;
    } catch (RuntimeException e) {
      weights.close();
      throw e;
    }
  }

  /**
   * SHA-256 of the weights: of each tensor's name, type, shape and numbers, in the order of the
   * names, so that it does not depend on how they are spread over files. It reads all of them, at a
   * gigabyte or more a second.
   *
   * @return 64 hexadecimal digits
   */
  public String digest() {
    MessageDigest digest = Sha256.start();
    for (String name : new TreeSet<>(weights.names())) {
      Tensor tensor = weights.tensor(name);
      String head = name + " " + tensor.type() + " " + Arrays.toString(tensor.shape()) + "\n";
      digest.update(head.getBytes(StandardCharsets.UTF_8));
      MemorySegment data = tensor.data();
      for (long at = 0; at < data.byteSize(); at += DIGEST_PIECE) {
        long size = Math.min(DIGEST_PIECE, data.byteSize() - at);
        digest.update(data.asSlice(at, size).asByteBuffer());
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Bytes of the weights as they lie on disk, which count as this process's once they are read. */
  public long bytes() {
    return weights.names().stream().mapToLong(name -> weights.tensor(name).data().byteSize()).sum();
  }

  private void check() {
    TensorNames names = TensorNames.of(config);
    refuseTooLarge();
    Map<String, Slot> expected = new HashMap<>();
    names.slots().forEach(slot -> expected.put(actualName(slot), slot));
    for (String name : weights.names()) {
      if (!expected.containsKey(name) && !names.ignorable(name)) {
        throw new ModelFileException(
            path
                + ": tensor "
                + quote(name)
                + " does not belong to this "
                + config.family()
                + " model");
      }
    }
    expected.forEach(this::check);
  }

  /** Before anything is built from the configuration: its size against what is really there. */
  private void refuseTooLarge() {
    long stored = 0;
    for (String name : weights.names()) {
      stored += Arrays.stream(weights.shape(name)).reduce(1, (a, b) -> a * b);
    }
    long asked = config.parameterCount();
    if (asked > stored) {
      throw new ModelFileException(
          path + ": config.json describes " + asked + " parameters, the weights hold " + stored);
    }
  }

  private void check(String name, Slot slot) {
    if (!weights.names().contains(name)) {
      throw new ModelFileException(path + ": tensor " + quote(name) + " is missing");
    }
    if (!Arrays.equals(weights.shape(name), slot.shape())) {
      throw new ModelFileException(
          path
              + ": tensor "
              + quote(name)
              + " has shape "
              + Arrays.toString(weights.shape(name))
              + ", config.json asks for "
              + Arrays.toString(slot.shape()));
    }
    DType type = weights.tensor(name).type();
    if (type != DType.F32 && type != DType.BF16 && type != DType.F16 && type != DType.F64) {
      throw new ModelFileException(
          path + ": tensor " + quote(name) + " is of type " + type + "; weights are real numbers");
    }
    slots.put(new Key(slot.role(), slot.layer(), slot.bias()), slot);
  }

  /** GPT-2's own files leave out the prefix that Hugging Face's programs write. */
  private String actualName(Slot slot) {
    String name = slot.name();
    if (name.startsWith(OPTIONAL_PREFIX) && !weights.names().contains(name)) {
      String bare = name.substring(OPTIONAL_PREFIX.length());
      return weights.names().contains(bare) ? bare : name;
    }
    return name;
  }

  public Path path() {
    return path;
  }

  public DecoderConfig config() {
    return config;
  }

  /** The tokenizer.json, if the folder has one. */
  public Optional<Path> tokenizer() {
    return Optional.of(path.resolve(TOKENIZER)).filter(Files::isRegularFile);
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
    Slot slot = slots.get(new Key(role, layer, bias));
    if (slot != null) {
      return Optional.of(weights.tensor(actualName(slot)));
    }
    if (!config.attention().fused()) {
      return Optional.empty();
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
  public static void write(
      Path path, DecoderConfig config, Values values, Optional<Path> tokenizer) {
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
      DecoderConfig config,
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
    if (!closed) {
      closed = true;
      weights.close();
    }
  }
}
