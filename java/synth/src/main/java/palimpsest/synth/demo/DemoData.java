package palimpsest.synth.demo;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import palimpsest.synth.SplitMix64;

/**
 * The data that ships with the project: messages that customers of an invented bank and shop might
 * write, a label each. The training messages hold planted secrets, each once; the held-out messages
 * hold none and repeat no training message. Apart from the planted secrets no message holds an
 * account number, a telephone number or a family name.
 *
 * @param labels the labels, as public as the grammar
 * @param messages {@value #MESSAGES} training messages, as many of each label
 * @param heldOut {@value #HELD_OUT} messages of the same grammar, as many of each label
 * @param secrets {@value #SECRETS} planted secrets, by line
 */
public record DemoData(
    List<Label> labels, List<Message> messages, List<Message> heldOut, List<Secret> secrets) {

  /** How many training messages there are. */
  public static final int MESSAGES = 5_000;

  /** How many held-out messages there are. */
  public static final int HELD_OUT = 1_000;

  /** How many secrets are planted. */
  public static final int SECRETS = 30;

  /** The labels: a name, a tab and a description a line. */
  public static final String LABELS_FILE = "labels.tsv";

  /** The training messages: {@code {"text":...,"label":...}} a line, gzip. */
  public static final String MESSAGES_FILE = "messages.jsonl.gz";

  /** The held-out messages, in the same format. */
  public static final String HELD_OUT_FILE = "heldout.jsonl.gz";

  /** The secrets: {@code {"line":...,"kind":...,"context":...,"secret":...}} a line. */
  public static final String SECRETS_FILE = "secrets.jsonl";

  private static final String GRAMMAR_FILE = "grammar.txt";
  private static final String PLACEHOLDER = "<secret>";
  private static final long SEED = 20_260_101L;
  private static final int FEWEST_WORDS = 4;
  private static final int MOST_WORDS = 45;
  private static final int MOST_PIECES = 56;
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * A label.
   *
   * @param name one word
   * @param description one sentence
   */
  public record Label(String name, String description) {}

  /**
   * A message.
   *
   * @param text what the customer wrote, one line
   * @param label the name of its label
   */
  public record Message(String text, String label) {}

  /** Copies the lists. */
  public DemoData {
    labels = List.copyOf(labels);
    messages = List.copyOf(messages);
    heldOut = List.copyOf(heldOut);
    secrets = List.copyOf(secrets);
  }

  /**
   * Writes the data files into a folder, from the grammar.
   *
   * @param arguments the folder
   */
  public static void main(String[] arguments) {
    if (arguments.length != 1) {
      throw new IllegalArgumentException("one argument is needed: the folder to write to");
    }
    generate().write(Path.of(arguments[0]));
  }

  /** Reads the data that ship with the project. */
  public static DemoData load() {
    List<Secret> secrets = new ArrayList<>();
    for (JsonNode node : parseLines(SECRETS_FILE, resource(SECRETS_FILE))) {
      secrets.add(
          new Secret(
              node.get("line").intValue(),
              Secret.Kind.valueOf(node.get("kind").textValue()),
              node.get("context").textValue(),
              node.get("secret").textValue()));
    }
    return new DemoData(
        loadLabels(), loadMessages(MESSAGES_FILE), loadMessages(HELD_OUT_FILE), secrets);
  }

  /** Draws the data from the grammar: the same on every platform and at every call. */
  public static DemoData generate() {
    List<Label> labels = loadLabels();
    return new Generator(labels).data();
  }

  /** The state of one generation. */
  private static final class Generator {
    private final SplitMix64 random = new SplitMix64(SEED);
    private final Set<String> taken = new HashSet<>();
    private final Set<String> takenSecrets = new HashSet<>();
    private final List<Label> labels;
    private final Grammar grammar;

    Generator(List<Label> labels) {
      this.labels = labels;
      Set<String> roots = new HashSet<>(Set.of("frame"));
      for (Secret.Kind kind : Secret.Kind.values()) {
        roots.add(frame(kind));
      }
      this.grammar =
          Grammar.parse(
              new String(resource(GRAMMAR_FILE), StandardCharsets.UTF_8),
              labels.stream().map(Label::name).toList(),
              roots);
    }

    DemoData data() {
      List<String> slots = slots(MESSAGES);
      Map<Integer, Secret.Kind> planted = plan();
      List<Message> messages = new ArrayList<>();
      List<Secret> secrets = new ArrayList<>();
      for (int line = 1; line <= MESSAGES; line++) {
        String label = slots.get(line - 1);
        Secret.Kind kind = planted.get(line);
        if (kind == null) {
          messages.add(new Message(plain(label), label));
        } else {
          Secret secret = plant(line, kind, label, messages);
          secrets.add(secret);
        }
      }
      List<Message> heldOut = new ArrayList<>();
      for (String label : slots(HELD_OUT)) {
        heldOut.add(new Message(plain(label), label));
      }
      return new DemoData(labels, messages, heldOut, secrets);
    }

    /** As many slots of each label, in random order. */
    private List<String> slots(int count) {
      List<String> slots = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        slots.add(labels.get(i % labels.size()).name());
      }
      random.shuffle(slots);
      return slots;
    }

    /** The lines that get a secret, and of which kind: the kinds take turns. */
    private Map<Integer, Secret.Kind> plan() {
      Set<Integer> lines = new TreeSet<>();
      while (lines.size() < SECRETS) {
        lines.add(1 + random.nextInt(MESSAGES));
      }
      Secret.Kind[] kinds = Secret.Kind.values();
      Map<Integer, Secret.Kind> plan = new LinkedHashMap<>();
      for (int line : lines) {
        plan.put(line, kinds[plan.size() % kinds.length]);
      }
      return plan;
    }

    private String plain(String label) {
      while (true) {
        String text = Style.tidy(grammar.expand("frame", label, random));
        text = Style.roughen(text, random);
        if (fits(text) && taken.add(text)) {
          return text;
        }
      }
    }

    /** Adds a message with a secret; its register is plain, so that the secret stands unchanged. */
    private Secret plant(int line, Secret.Kind kind, String label, List<Message> messages) {
      String text;
      String drawn;
      do {
        drawn = Decoys.draw(kind, random);
      } while (!takenSecrets.add(drawn));
      String frame;
      do {
        frame = Style.tidy(grammar.expand(frame(kind), label, random));
        text = frame.replace(PLACEHOLDER, drawn);
      } while (!fits(text) || !taken.add(text));
      messages.add(new Message(text, label));
      return new Secret(line, kind, frame.substring(0, frame.indexOf(PLACEHOLDER)), drawn);
    }

    private static String frame(Secret.Kind kind) {
      return switch (kind) {
        case ACCOUNT -> "frame.account";
        case PHONE -> "frame.phone";
        case NAME -> "frame.name";
      };
    }

    /** Bounds the words, and the pieces that a subword tokenizer could make of them. */
    private static boolean fits(String text) {
      int words = text.split(" ").length;
      long stops = text.chars().filter(c -> !Character.isLetterOrDigit(c) && c != ' ').count();
      long digits = text.chars().filter(Character::isDigit).count();
      return words >= FEWEST_WORDS
          && words <= MOST_WORDS
          && words + stops + digits / 2 <= MOST_PIECES;
    }
  }

  /**
   * Writes the four data files into a folder, made if need be.
   *
   * @throws UncheckedIOException if the folder cannot be written
   */
  public void write(Path folder) {
    try {
      Files.createDirectories(folder);
      for (Map.Entry<String, byte[]> file : files().entrySet()) {
        boolean zip = file.getKey().endsWith(".gz");
        Files.write(folder.resolve(file.getKey()), zip ? gzip(file.getValue()) : file.getValue());
      }
    } catch (IOException failure) {
      throw new UncheckedIOException("cannot write the demonstration data", failure);
    }
  }

  /** The files by name, before compression: what gzip makes of them hangs on the zlib at hand. */
  Map<String, byte[]> files() {
    StringBuilder labelLines = new StringBuilder();
    labels.forEach(l -> labelLines.append(l.name() + "\t" + l.description() + "\n"));
    List<ObjectNode> secretLines = new ArrayList<>();
    for (Secret secret : secrets) {
      secretLines.add(
          JSON.createObjectNode()
              .put("line", secret.line())
              .put("kind", secret.kind().name())
              .put("context", secret.context())
              .put("secret", secret.text()));
    }
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put(LABELS_FILE, labelLines.toString().getBytes(StandardCharsets.UTF_8));
    files.put(MESSAGES_FILE, jsonLines(messages.stream().map(DemoData::json).toList()));
    files.put(HELD_OUT_FILE, jsonLines(heldOut.stream().map(DemoData::json).toList()));
    files.put(SECRETS_FILE, jsonLines(secretLines));
    return files;
  }

  private static ObjectNode json(Message message) {
    return JSON.createObjectNode().put("text", message.text()).put("label", message.label());
  }

  private static byte[] jsonLines(List<ObjectNode> nodes) {
    StringBuilder lines = new StringBuilder();
    try {
      for (ObjectNode node : nodes) {
        lines.append(JSON.writeValueAsString(node)).append('\n');
      }
    } catch (JsonProcessingException impossible) {
      throw new AssertionError(impossible);
    }
    return lines.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] gzip(byte[] plain) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (GZIPOutputStream zip = new GZIPOutputStream(bytes)) {
      zip.write(plain);
    }
    return bytes.toByteArray();
  }

  /** A shipped file, unpacked. */
  static byte[] resource(String name) {
    try (InputStream in = DemoData.class.getResourceAsStream("/palimpsest/demo/" + name)) {
      if (in == null) {
        throw new DemoDataException("the demonstration file " + name + " is not in this build");
      }
      byte[] bytes = in.readAllBytes();
      if (!name.endsWith(".gz")) {
        return bytes;
      }
      try (GZIPInputStream unzip = new GZIPInputStream(new ByteArrayInputStream(bytes))) {
        return unzip.readAllBytes();
      }
    } catch (IOException failure) {
      throw new DemoDataException("the demonstration file " + name + " cannot be read", failure);
    }
  }

  private static List<Label> loadLabels() {
    return new String(resource(LABELS_FILE), StandardCharsets.UTF_8)
        .lines()
        .map(line -> line.split("\t", 2))
        .map(fields -> new Label(fields[0], fields[1]))
        .toList();
  }

  private static List<Message> loadMessages(String name) {
    return parseLines(name, resource(name)).stream()
        .map(node -> new Message(node.get("text").textValue(), node.get("label").textValue()))
        .toList();
  }

  private static List<JsonNode> parseLines(String name, byte[] bytes) {
    List<JsonNode> nodes = new ArrayList<>();
    try {
      for (String line : new String(bytes, StandardCharsets.UTF_8).split("\n")) {
        nodes.add(JSON.readTree(line));
      }
    } catch (JsonProcessingException failure) {
      throw new DemoDataException("the demonstration file " + name + " is not JSON", failure);
    }
    return nodes;
  }
}
