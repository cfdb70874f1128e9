package palimpsest.engine.model;

import static palimpsest.engine.weights.ModelFileException.quote;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import palimpsest.engine.model.TensorNames.Slot;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.SafetensorsFolder;
import palimpsest.engine.weights.Sha256;

/**
 * The weights of a model folder, checked in full against its configuration: every tensor that it
 * asks for is there with the shape it asks for, and nothing else is. The numbers are mapped, not
 * read; tensors are views that end with {@link #close}.
 */
final class CheckedWeights implements AutoCloseable {
  private static final long DIGEST_PIECE = 1 << 20;

  private record Key(Role role, int layer, boolean bias) {}

  private final Path path;
  private final ModelConfig config;
  private final SafetensorsFolder weights;
  private final Map<Key, String> names = new HashMap<>();
  private boolean closed;

  private CheckedWeights(Path path, ModelConfig config, SafetensorsFolder weights) {
    this.path = path;
    this.config = config;
    this.weights = weights;
  }

  /** The file that describes a model, in a folder that is there. */
  static Path configOf(Path path) {
    if (!Files.isDirectory(path)) {
      throw new ModelFileException("no such model folder: " + path);
    }
    return path.resolve(ModelFolder.CONFIG);
  }

  /**
   * Maps and checks.
   *
   * @throws ModelFileException if the weights are missing or malformed, or not those that the
   *     configuration describes
   */
  static CheckedWeights open(Path path, ModelConfig config) {
    SafetensorsFolder files = SafetensorsFolder.open(path);
    try {
      CheckedWeights weights = new CheckedWeights(path, config, files);
      weights.check();
      return weights;
    } catch (RuntimeException e) {
      files.close();
      throw e;
    }
  }

  /** Bytes as they lie on disk. */
  long bytes() {
    return weights.names().stream().mapToLong(name -> weights.tensor(name).data().byteSize()).sum();
  }

  private void check() {
    TensorNames allowed = TensorNames.of(config);
    refuseTooLarge();
    Map<String, Slot> expected = new HashMap<>();
    allowed.slots().forEach(slot -> expected.put(actualName(slot), slot));
    for (String name : weights.names()) {
      if (!expected.containsKey(name) && !allowed.ignorable(name)) {
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
    names.put(new Key(slot.role(), slot.layer(), slot.bias()), name);
  }

  /** Some files leave out the prefix that Hugging Face's programs write in front of all names. */
  private String actualName(Slot slot) {
    String name = slot.name();
    String bare = TensorNames.withoutPrefix(name);
    return !weights.names().contains(name) && weights.names().contains(bare) ? bare : name;
  }

  Path path() {
    return path;
  }

  /** A tensor as it is stored, without a copy. */
  Optional<Tensor> find(Role role, int layer, boolean bias) {
    return Optional.ofNullable(names.get(new Key(role, layer, bias))).map(weights::tensor);
  }

  /** The weight of a role that every model of the configuration has. */
  Tensor weight(Role role, int layer) {
    return find(role, layer, false)
        .orElseThrow(() ->
            new IllegalArgumentException(
                "this " + config.family() + " model has no " + role + " in layer " + layer));
  }

  /** The tokenizer.json beside them, if there is one. */
  Optional<Path> tokenizer() {
    return Optional.of(path.resolve(ModelFolder.TOKENIZER)).filter(Files::isRegularFile);
  }

  /**
   * SHA-256 of each tensor's name, type, shape and numbers, in the order of the names, so that it
   * does not depend on how they are spread over files. It reads all of them, at a gigabyte or more
   * a second.
   *
   * @return 64 hexadecimal digits
   */
  String digest() {
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

  /** Lets go of the mapped files; closing again does nothing. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      weights.close();
    }
  }
}
