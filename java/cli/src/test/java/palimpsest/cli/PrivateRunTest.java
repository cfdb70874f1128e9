package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import palimpsest.synth.StateFolder;
import palimpsest.synth.Synthesis;
import palimpsest.synth.TinySetting;

/** Whole runs from the command line on a tiny model. */
class PrivateRunTest {
  @TempDir private Path folder;
  private TinySetting setting;

  @BeforeEach
  void setUp() throws IOException {
    setting = new TinySetting(folder);
  }

  /** A command that would work with {@link #SOUND}, and further options. */
  private CommandLineRun run(String command, String... more) {
    return run(command, "", List.of(more));
  }

  private static final String[] SOUND = {
    "--labels", "red,blue", "--size-bound", "100", "--epsilon", "8"
  };

  private String[] sound(String... more) {
    List<String> words = new ArrayList<>(List.of(SOUND));
    words.addAll(List.of(more));
    return words.toArray(String[]::new);
  }

  @Test
  void trainsStatesAndKeepsAnAccountThatLedgerShows() {
    CommandLineRun run = run("train", sound());
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().startsWith("Differential privacy with epsilon 8 "), run.out());
    CommandLineRun shown =
        CommandLineRun.of("ledger", "show", "notes", "--state", setting.state().toString());
    assertEquals(ExitCode.DONE, shown.exitCode(), shown.err());
    assertTrue(shown.out().contains("3 of 3 steps"), shown.out());
    assertTrue(shown.out().contains("\nrows of csv with a header\n"), shown.out());
    assertFalse(shown.out().contains("Not covered by this total"), shown.out());
  }

  /** A sound run into another folder, perhaps with further options. */
  private CommandLineRun again(String out, String... more) {
    List<String> words = new ArrayList<>(List.of(sound("--out", folder.resolve(out).toString())));
    words.addAll(List.of(more));
    return run("train", "", words);
  }

  /** Only its owner knows whether a file that was edited is the data of an account. */
  @Test
  void whereThereAreAccountsARunNamesItsOwn() throws IOException {
    assertEquals(ExitCode.DONE, run("train", sound()).exitCode());
    String before = Files.readString(setting.data());
    List<String> refusals = new ArrayList<>();
    String edited = before + "red,one more\n";
    List<Map.Entry<Path, String>> files =
        List.of(
            Map.entry(folder.resolve("letters.csv"), edited),
            Map.entry(setting.data(), before),
            Map.entry(setting.data(), edited));
    for (Map.Entry<Path, String> file : files) {
      Files.writeString(file.getKey(), file.getValue());
      CommandLineRun refused = again("second", "--data", file.getKey().toString());
      assertEquals(ExitCode.BAD_INPUT, refused.exitCode(), refused.err());
      assertEquals(1, refused.err().lines().count(), refused.err());
      assertTrue(refused.err().contains("--name"), refused.err());
      assertTrue(refused.err().contains("(notes)"), refused.err());
      refusals.add(refused.err());
    }
    assertEquals(
        1, refusals.stream().distinct().count(), "neither the file's name nor its change is told");
    assertFalse(Files.exists(folder.resolve("second")));
    CommandLineRun named = again("second", "--name", "notes");
    assertEquals(ExitCode.DONE, named.exitCode(), named.err());
    CommandLineRun shown =
        CommandLineRun.of("ledger", "show", "notes", "--state", setting.state().toString());
    assertEquals(2, shown.out().lines().filter(line -> line.startsWith("run ")).count());
    assertEquals(ExitCode.DONE, again("third", "--name", "notes").exitCode());
  }

  /** What a person is, the account knows from its first run. */
  @Test
  void anotherColumnOfPeopleIsAnotherAccount() throws IOException {
    List<String> lines = Files.readAllLines(setting.data());
    StringBuilder people = new StringBuilder(lines.getFirst() + ",Käufer,device\n");
    for (int i = 1; i < lines.size(); i++) {
      people.append(lines.get(i)).append(",a").append(i % 7).append(",d").append(i).append('\n');
    }
    Files.writeString(setting.data(), people);
    String[] by = {"--name", "notes", "--max-records", "2", "--user"};
    List<String> words = new ArrayList<>(List.of(by));
    words.add("Käufer");
    CommandLineRun first = again("first", words.toArray(String[]::new));
    assertEquals(ExitCode.DONE, first.exitCode(), first.err());
    words.set(by.length, "device");
    words.addAll(List.of("--cap", "9"));
    List<LedgerRecord> before = Ledger.read(StateFolder.ledgers(setting.state()), "notes");
    CommandLineRun refused = again("second", words.toArray(String[]::new));
    assertEquals(
        before,
        Ledger.read(StateFolder.ledgers(setting.state()), "notes"),
        "neither its file nor its cap is the account's");
    assertTrue(refused.exitCode() != ExitCode.DONE, refused.out());
    assertEquals(1, refused.err().lines().count(), refused.err());
    assertTrue(refused.err().contains("by the person in column 'K%c3%a4ufer'"), refused.err());
    assertFalse(Files.exists(folder.resolve("second")));
  }

  @Test
  void whatIsSampledCarriesTheStampOfItsAdapter() throws IOException {
    assertEquals(
        ExitCode.DONE,
        run("train", "--labels", "red,blue", "--size-bound", "100", "--epsilon", "inf").exitCode());
    Path more = folder.resolve("more.jsonl");
    CommandLineRun run =
        CommandLineRun.of(
            "sample",
            "--model",
            setting.model().toString(),
            "--adapter",
            setting.out().resolve(Synthesis.ADAPTER).toString(),
            "--records",
            "4",
            "--temperature",
            "3",
            "--out",
            more.toString(),
            "--quiet");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().startsWith("NON-PRIVATE"), run.out());
    assertTrue(Files.readString(folder.resolve("more.STATEMENT.txt")).startsWith("NON-PRIVATE"));
    for (String line : Files.readAllLines(more)) {
      String label = new ObjectMapper().readTree(line).get(Synthesis.LABEL_COLUMN).asText();
      assertTrue(List.of("red", "blue").contains(label), "the adapter brings its labels");
    }
  }

  private CommandLineRun sample(String model, String... more) {
    List<String> words = new ArrayList<>(List.of("sample", "--model", model, "--quiet"));
    words.addAll(List.of("--records", "2", "--temperature", "3"));
    words.addAll(List.of("--out", folder.resolve("more.jsonl").toString()));
    words.addAll(List.of(more));
    return CommandLineRun.of(words.toArray(String[]::new));
  }

  @Test
  void theStatementOfAnAdapterCoversItsOwnBaseModelAlone() throws IOException {
    assertEquals(ExitCode.DONE, run("train", sound()).exitCode());
    Path other = Files.move(setting.model(), folder.resolve("other"));
    String adapter = setting.out().resolve(Synthesis.ADAPTER).toString();
    CommandLineRun run = sample(other.toString(), "--adapter", adapter);
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains("tuned on model,"), run.err());
    Files.move(other, setting.model());
    Path weights = setting.model().resolve("model.safetensors");
    byte[] changed = Files.readAllBytes(weights);
    changed[changed.length - 1] ^= 1;
    Files.write(weights, changed);
    run = sample(setting.model().toString(), "--adapter", adapter);
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.err());
    assertTrue(run.err().contains("its weights are not those"), run.err());
    assertFalse(Files.exists(folder.resolve("more.jsonl")));
    assertFalse(Files.exists(folder.resolve("more.STATEMENT.txt")));
  }

  /**
   * Without --model it is the model that the adapter names, and its weights are checked as well.
   */
  @Test
  void theAdaptersOwnModelIsCheckedToo() throws Exception {
    assertEquals(ExitCode.DONE, run("train", sound()).exitCode());
    Path cached = folder.resolve("cache/palimpsest/models/model");
    Files.createDirectories(cached.getParent());
    Files.move(setting.model(), cached);
    String[] words = {
      "sample",
      "--adapter",
      setting.out().resolve(Synthesis.ADAPTER).toString(),
      "--records",
      "1",
      "--temperature",
      "3",
      "--out",
      folder.resolve("more.jsonl").toString()
    };
    assertEquals(ExitCode.DONE, process(words));
    Files.delete(folder.resolve("more.jsonl"));
    Files.delete(folder.resolve("more.STATEMENT.txt"));
    Path weights = cached.resolve("model.safetensors");
    byte[] changed = Files.readAllBytes(weights);
    changed[changed.length - 1] ^= 1;
    Files.write(weights, changed);
    assertEquals(ExitCode.BAD_INPUT, process(words));
    assertFalse(Files.exists(folder.resolve("more.jsonl")));
  }

  /** The exit code of a command in a process whose cache of models is in the test's folder. */
  private int process(String... words) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElseThrow());
    command.add("-XX:TieredStopAtLevel=1");
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("--sun-misc-unsafe-memory-access=allow");
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    command.addAll(List.of(words));
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD);
    builder.environment().put("XDG_CACHE_HOME", folder.resolve("cache").toString());
    return builder.start().waitFor();
  }

  @Test
  void withoutAnAdapterNothingIsClaimedOfTheModel() throws IOException {
    CommandLineRun run = sample(setting.model().toString(), "--max-tokens", "64", "--kind", "note");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    String statement = Files.readString(folder.resolve("more.STATEMENT.txt"));
    assertTrue(
        statement.startsWith("No adapter was used: these texts are those of the model model"));
    assertTrue(statement.contains("no epsilon covers these texts"), statement);
    assertFalse(statement.contains(folder.toString()), "the path stays with its owner");
  }

  @Test
  void waiversStandInTheStatement() throws IOException {
    CommandLineRun run =
        run("train", "--labels-are-public", "--size-is-public", "--epsilon", "8", "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode waivers = new ObjectMapper().readTree(run.out()).at("/statement/waivers");
    assertEquals("[\"SIZE_IS_PUBLIC\",\"LABELS_ARE_PUBLIC\"]", waivers.toString());
    CommandLineRun later = again("later", "--name", "notes");
    assertTrue(later.out().contains("Not covered by this total, in one run or more: the number"));
    CommandLineRun shown =
        CommandLineRun.of("ledger", "show", "notes", "--state", setting.state().toString());
    assertTrue(shown.out().contains("Not covered by this total"), shown.out());
  }

  @Test
  void aPlanPaysNothingAndSaysWhatTheRunWillSay() throws IOException {
    CommandLineRun plan = run("train", sound("--plan", "--json"));
    assertEquals(ExitCode.DONE, plan.exitCode(), plan.err());
    assertFalse(Files.exists(setting.state()));
    JsonNode planned = new ObjectMapper().readTree(plan.out());
    assertTrue(planned.get("memoryBytes").asLong() > 0);
    JsonNode made = new ObjectMapper().readTree(run("train", sound("--json")).out());
    assertEquals(
        planned.get("noiseMultiplier").asDouble(),
        made.at("/statement/noiseMultiplier").asDouble());
  }

  /** The flag changes what is trained and what is written, and nothing of the guarantee. */
  @ParameterizedTest
  @CsvSource({
    "--method lora --rank 3,lora,rank,3",
    "--method prompt --prompt-tokens 5,prompt,promptTokens,5",
    "--method bias --targets down,bias,parameters,64"
  })
  void theMethodIsAFlag(String options, String method, String setting, int value)
      throws IOException {
    String[] words = sound(options.split(" "));
    JsonNode lora = new ObjectMapper().readTree(run("train", sound("--plan", "--json")).out());
    CommandLineRun plan = run("train", sound((options + " --plan --json").split(" ")));
    assertEquals(ExitCode.DONE, plan.exitCode(), plan.err());
    JsonNode planned = new ObjectMapper().readTree(plan.out());
    assertEquals(method, planned.get("method").asText());
    assertEquals(value, planned.get(setting).asInt());
    for (String field : List.of("epsilon", "delta", "noiseMultiplier", "samplingRate", "steps")) {
      assertEquals(lora.get(field), planned.get(field), field);
    }
    CommandLineRun run = run("train", words);
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().startsWith("Differential privacy with epsilon 8 "), run.out());
    JsonNode made =
        new ObjectMapper()
            .readTree(this.setting.out().resolve(Synthesis.STATEMENT_JSON).toFile())
            .get("made");
    assertEquals(method, made.get("method").asText());
    assertEquals(value, made.get(setting).asInt());
    Path adapter = this.setting.out().resolve(Synthesis.ADAPTER);
    CommandLineRun more = sample(this.setting.model().toString(), "--adapter", adapter.toString());
    assertEquals(ExitCode.DONE, more.exitCode(), more.err());
  }

  /** One flag and its settings; what another rule has is refused in a line. */
  @ParameterizedTest
  @CsvSource({
    "--clip-rule flat,flat: ",
    "--clip-rule per-layer,per layer: ",
    "--clip-rule automatic --clip-gamma 0.5,(norm + 0.5)",
    "--clip-rule quantile --clip-quantile 0.75 --clip-count-noise 30,the 0.75 quantile of norms at a rate of 0.2 by a count at"
        + " each step; the count has noise of 30.0 records and is charged"
  })
  void theClipRuleIsAFlag(String options, String words) throws IOException {
    JsonNode flat = new ObjectMapper().readTree(run("train", sound("--plan", "--json")).out());
    JsonNode planned =
        new ObjectMapper()
            .readTree(run("train", sound((options + " --plan --json").split(" "))).out());
    for (String field : List.of("epsilon", "delta", "noiseMultiplier", "steps", "clipNorm")) {
      assertEquals(flat.get(field), planned.get(field), field);
    }
    CommandLineRun plan = run("train", sound((options + " --plan").split(" ")));
    assertTrue(plan.out().contains(words), plan.out());
    CommandLineRun run = run("train", sound(options.split(" ")));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().contains(words), run.out());
    CommandLineRun shown =
        CommandLineRun.of("ledger", "show", "notes", "--state", setting.state().toString());
    assertTrue(shown.out().contains(words), shown.out());
  }

  @ParameterizedTest
  @CsvSource({
    "--clip-gamma 0.5,--clip-gamma: --clip-rule flat has no such setting",
    "--clip-rule per-layer --clip-quantile 0.5,--clip-quantile: --clip-rule per-layer has no such setting",
    "--clip-rule automatic --clip-rate 0.5,--clip-rate: --clip-rule automatic has no such setting",
    "--clip-rule automatic --clip-gamma 0,gamma is 0.0",
    "--clip-rule quantile --clip-quantile 1.5,quantile is 1.5",
    "--clip-rule quantile --clip-count-noise 0.01,leaves no noise to the sum",
    "--clip-rule layers,none of flat"
  })
  void aClipRuleThatCannotBeIsOneLine(String options, String message) {
    CommandLineRun run = run("train", sound(options.split(" ")));
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.out());
    assertTrue(run.err().contains(message), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
    assertFalse(Files.exists(setting.state()), "nothing is paid");
  }

  /** Patterns are stated where the method is, and nothing of the guarantee follows from them. */
  @Test
  void someWeightsAreTrainedByPatterns() throws IOException {
    String[] options = {"--method", "full", "--train", "*.mlp.*,!*.up_proj.*"};
    JsonNode lora = new ObjectMapper().readTree(run("train", sound("--plan", "--json")).out());
    List<String> words = new ArrayList<>(List.of(options));
    words.add("--plan");
    CommandLineRun text = run("train", sound(words.toArray(String[]::new)));
    assertEquals(ExitCode.DONE, text.exitCode(), text.err());
    assertTrue(
        text.out().contains("weights named !*.up_proj.*,*.mlp.*, exact norms, 6,144"), text.out());
    words.add("--json");
    JsonNode planned =
        new ObjectMapper().readTree(run("train", sound(words.toArray(String[]::new))).out());
    for (String field : List.of("epsilon", "delta", "noiseMultiplier", "samplingRate", "steps")) {
      assertEquals(lora.get(field), planned.get(field), field);
    }
    CommandLineRun run = run("train", sound(options));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode made =
        new ObjectMapper()
            .readTree(setting.out().resolve(Synthesis.STATEMENT_JSON).toFile())
            .get("made");
    assertEquals(6_144, made.get("parameters").asInt());
    assertEquals(planned.get("trained"), made.get("trained"));
    assertEquals("!*.up_proj.*", made.get("trained").get(0).asText());
  }

  /** Less memory is planned, and said to be for that reason. */
  @Test
  void recomputingIsAnOptionOfEveryOtherMethod() throws IOException {
    for (String method : List.of("lora", "prompt", "bias")) {
      List<JsonNode> plans = new ArrayList<>();
      for (boolean recompute : new boolean[] {false, true}) {
        List<String> words = new ArrayList<>(List.of("--method", method, "--plan", "--json"));
        words.addAll(recompute ? List.of("--recompute") : List.of());
        CommandLineRun plan = run("train", sound(words.toArray(String[]::new)));
        assertEquals(ExitCode.DONE, plan.exitCode(), plan.err());
        plans.add(new ObjectMapper().readTree(plan.out()));
      }
      assertFalse(plans.get(0).get("recompute").asBoolean());
      assertTrue(plans.get(1).get("recompute").asBoolean());
      long saved =
          plans.get(0).get("memoryBytes").asLong() - plans.get(1).get("memoryBytes").asLong();
      // Few parameters take less memory than the texts that are written afterwards.
      assertTrue(method.equals("lora") ? saved > 0 : saved >= 0, method + " saves " + saved);
    }
    CommandLineRun text = run("train", sound("--plan", "--recompute"));
    assertTrue(text.out().contains(" GB, activations computed again"), text.out());
    CommandLineRun run = run("train", sound("--recompute"));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
  }

  /** What moves the parameters is a choice like the method: nothing of the guarantee. */
  @ParameterizedTest
  @CsvSource({
    "sgd,--optimizer sgd --learning-rate 0.5 --momentum 0.9 --schedule constant",
    "adam,--optimizer adam --weight-decay 0.1 --schedule cosine --warmup 0",
    "adafactor,--method full --warmup 1",
    "adafactor,--method full --norms sketched --train *norm*"
  })
  void theOptimizerIsAFlag(String optimizer, String options) throws IOException {
    JsonNode standard = new ObjectMapper().readTree(run("train", sound("--plan", "--json")).out());
    assertEquals("adamw", standard.get("optimizer").asText());
    CommandLineRun plan = run("train", sound((options + " --plan --json").split(" ")));
    assertEquals(ExitCode.DONE, plan.exitCode(), plan.err());
    JsonNode planned = new ObjectMapper().readTree(plan.out());
    CommandLineRun run = run("train", sound(options.split(" ")));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode made =
        new ObjectMapper()
            .readTree(setting.out().resolve(Synthesis.STATEMENT_JSON).toFile())
            .get("made");
    assertEquals(optimizer, made.get("optimizer").asText());
    for (String field :
        List.of("optimizer", "learningRate", "schedule", "warmup", "momentum", "weightDecay")) {
      assertEquals(planned.get(field), made.get(field), field);
    }
    for (String field : List.of("epsilon", "delta", "noiseMultiplier", "samplingRate", "steps")) {
      assertEquals(standard.get(field), planned.get(field), field);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "--optimizer adamw --momentum 0.5,adamw has no momentum",
    "--method full --weight-decay 0.1,adafactor has no weight decay",
    "--optimizer sgd,no learning rate",
    "--optimizer sgd --learning-rate 1 --momentum 1,momentum must be in",
    "--warmup 100,leaves none of",
    "--memory 0.1,a memory of 0.10 GiB is too little",
    "--memory -1,must be positive"
  })
  void settingsThatMakeNoRunAreOneLine(String options, String named) {
    CommandLineRun run = run("train", sound(options.split(" ")));
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.out());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains(named), run.err());
    assertFalse(Files.exists(setting.out()));
  }

  @Test
  void aLimitOfMemoryIsAPlannedOne() throws IOException {
    JsonNode wide =
        new ObjectMapper()
            .readTree(run("train", sound("--workers", "3", "--plan", "--json")).out());
    assertEquals(3, wide.get("workers").asInt());
    // Half of what the run takes beside the program itself.
    long limit = (wide.get("memoryBytes").asLong() + (200L << 20)) / 2;
    String gib = Double.toString(limit / (double) (1L << 30));
    String[] limited = {"--workers", "3", "--memory", gib, "--plan", "--json"};
    JsonNode planned = new ObjectMapper().readTree(run("train", sound(limited)).out());
    assertTrue(planned.get("memoryBytes").asLong() <= limit, planned.toString());
    CommandLineRun run = run("train", sound("--workers", "3", "--memory", gib));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
  }

  /** A model of its own, which is sampled from without another and carries its statement. */
  @Test
  void allWeightsAreAModel() throws IOException {
    CommandLineRun run = run("train", sound("--method", "full"));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().contains("The tuned model and this statement are in "), run.out());
    Path model = setting.out().resolve(Synthesis.MODEL);
    for (String name : List.of("config.json", "model.safetensors", "tokenizer.json")) {
      assertTrue(Files.exists(model.resolve(name)), name);
    }
    String statement = Files.readString(setting.out().resolve(Synthesis.STATEMENT_TEXT));
    List<String> words = new ArrayList<>(List.of("sample", "--quiet", "--records", "2"));
    words.addAll(List.of("--temperature", "3", "--out", folder.resolve("more.jsonl").toString()));
    for (String option : List.of("--adapter", "--model")) {
      List<String> all = new ArrayList<>(words);
      all.addAll(List.of(option, model.toString()));
      CommandLineRun more = CommandLineRun.of(all.toArray(String[]::new));
      assertEquals(ExitCode.DONE, more.exitCode(), more.err());
      assertEquals(statement, Files.readString(folder.resolve("more.STATEMENT.txt")), option);
      Files.delete(folder.resolve("more.STATEMENT.txt"));
      Files.delete(folder.resolve("more.jsonl"));
    }
    CommandLineRun again = run("train", "--model", List.of(sound("--model", model.toString())));
    assertEquals(ExitCode.BAD_INPUT, again.exitCode(), again.out());
    assertTrue(again.err().contains("was tuned on private records"), again.err());
    keepsItsStatementInTheCache(model, statement);
    CommandLineRun both = sample(setting.model().toString(), "--adapter", model.toString());
    assertEquals(ExitCode.BAD_INPUT, both.exitCode());
    assertEquals(1, both.err().lines().count(), both.err());
    assertTrue(both.err().contains("is a whole model"), both.err());
    Path weights = model.resolve("model.safetensors");
    byte[] changed = Files.readAllBytes(weights);
    changed[changed.length - 1] ^= 1;
    Files.write(weights, changed);
    words.addAll(List.of("--adapter", model.toString()));
    CommandLineRun other = CommandLineRun.of(words.toArray(String[]::new));
    assertEquals(ExitCode.BAD_INPUT, other.exitCode(), other.out());
    assertTrue(other.err().contains("not those that its statement"), other.err());
    Path card = model.resolve("palimpsest.json");
    Files.writeString(card, Files.readString(card).replace("weightsSha256", "weights"));
    CommandLineRun bare = CommandLineRun.of(words.toArray(String[]::new));
    assertEquals(ExitCode.BAD_INPUT, bare.exitCode(), bare.out());
    assertTrue(bare.err().contains("not those that its statement"), bare.err());
  }

  /** Taken in under a name, it is no more a public model than before. */
  private void keepsItsStatementInTheCache(Path model, String statement) throws IOException {
    String cache = folder.resolve("cache").toString();
    CommandLineRun taken =
        CommandLineRun.of("model", "import", model.toString(), "ours", "--models", cache);
    assertEquals(ExitCode.DONE, taken.exitCode(), taken.err());
    String ours = Path.of(cache, "ours").toString();
    CommandLineRun based = run("train", "--model", List.of(sound("--model", ours)));
    assertEquals(ExitCode.BAD_INPUT, based.exitCode(), based.out());
    assertTrue(based.err().contains("was tuned on private records"), based.err());
    String out = folder.resolve("ours.jsonl").toString();
    CommandLineRun more =
        CommandLineRun.of("sample", "--quiet", "--records", "1", "--model", ours, "--out", out);
    assertEquals(ExitCode.DONE, more.exitCode(), more.err());
    assertEquals(statement, Files.readString(folder.resolve("ours.STATEMENT.txt")));
  }

  @Test
  void calibratePlansTheSameRun() throws IOException {
    String[] method = {"--method", "prompt", "--prompt-tokens", "5"};
    List<String> words =
        new ArrayList<>(List.of("calibrate", "--plan", "--json", "--epsilon", "8"));
    words.addAll(List.of("--model", setting.model().toString(), "--max-tokens", "64"));
    words.addAll(List.of("--size-bound", "100"));
    words.addAll(List.of(method));
    CommandLineRun plan = CommandLineRun.of(words.toArray(String[]::new));
    assertEquals(ExitCode.DONE, plan.exitCode(), plan.err());
    JsonNode planned = new ObjectMapper().readTree(plan.out());
    assertEquals("prompt", planned.get("method").asText());
    assertEquals(5 * 32, planned.get("parameters").asInt());
    words.add("--recompute");
    JsonNode again =
        new ObjectMapper().readTree(CommandLineRun.of(words.toArray(String[]::new)).out());
    assertTrue(again.get("memoryBytes").asLong() < planned.get("memoryBytes").asLong());
    words.remove("--json");
    words.addAll(List.of("--rank", "4"));
    CommandLineRun refused = CommandLineRun.of(words.toArray(String[]::new));
    assertEquals(ExitCode.BAD_INPUT, refused.exitCode(), refused.err());
    assertEquals(1, refused.err().lines().count(), refused.err());
  }

  @ParameterizedTest
  @CsvSource({"--norms sketched,sketched", "--norms exact,exact", "'',exact"})
  void aPlanSaysWhereNormsComeFrom(String option, String norms) throws IOException {
    String words = "--plan --method full " + option;
    CommandLineRun text = run("train", sound(words.strip().split(" ")));
    assertEquals(ExitCode.DONE, text.exitCode(), text.err());
    assertTrue(text.out().contains("all weights, " + norms + " norms"), text.out());
    CommandLineRun json = run("train", sound((words.strip() + " --json").split(" ")));
    assertEquals(norms, new ObjectMapper().readTree(json.out()).get("norms").asText());
  }

  @ParameterizedTest
  @CsvSource({
    "--method prompt --rank 4,--rank: --method prompt has no such setting",
    "--method bias --rank 4,--rank: --method bias has no such setting",
    "--method prompt --alpha 4,--alpha: --method prompt",
    "--method bias --alpha 4,--alpha: --method bias",
    "--method prompt --targets down,--targets: --method prompt",
    "--method lora --prompt-tokens 4,--prompt-tokens: --method lora",
    "--prompt-tokens 4,--prompt-tokens: --method lora",
    "--method bias --prompt-tokens 4,--prompt-tokens: --method bias",
    "--method prompt --prompt-tokens 0,1 to 4096",
    "--method prompt --prompt-tokens 200,behind a prompt of 200",
    "--method bias --targets query_key_value,linear layers of this model",
    "--method full --rank 4,--rank: --method full",
    "--norms exact,--norms: --method lora",
    "--method bias --norms sketched,--norms: --method bias",
    "--method full --norms guessed,--norms",
    "--train *.bias,--train: --method lora has no such setting",
    "--method bias --train *.bias,--train: --method bias",
    "--method full --train model.layer.*,the pattern model.layer.* matches no tensor of this model; there are model.embed",
    "--method full --train !*,leave nothing to train",
    "--method full --train [a],a pattern of tensor names",
    "--method full --recompute,recompute: tuning the model's own weights",
    "--method full --recompute --plan,recompute: tuning the model's own weights",
    "--method full --targets down,--targets: --method full",
    "--method none,--method"
  })
  void aSettingOfAnotherMethodIsOneLine(String options, String named) {
    CommandLineRun run = run("train", sound(options.split(" ")));
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains(named), run.err());
    assertFalse(Files.exists(setting.state()), "nothing is begun");
    assertFalse(Files.exists(setting.out()));
  }

  @ParameterizedTest
  @CsvSource({
    "--epsilon,0,--epsilon",
    "--epsilon,-1,--epsilon",
    "--epsilon,NaN,--epsilon",
    "--epsilon,1e400,inf",
    "--delta,0.01,delta",
    "--delta,0,delta",
    "--size-bound,0,size bound",
    "--data,missing.csv,missing.csv",
    "--text,nothing,nothing",
    "--delta,1e-320,delta",
    "--size-bound,9223372036854775807,size bound",
    "--time,9000000000000000000,--time",
    "--time,2000000000,time",
    "--clip,1e300,clip norm",
    "--cap,NaN,cap",
    "--cap,-1,cap",
    "--labels,'green,grey',notes.csv",
    "--labels,missing.tsv,missing.tsv",
    "--out,model,not empty",
    "--model,nowhere,nowhere",
    "--max-tokens,9,tokens",
    "--max-tokens,257,context",
    "--targets,query_key_value,linear layers of this model",
    "--targets,head,'is not a linear layer: query_key_value, query, key, value, attention_output, gate, up, down'",
    "--targets,'query,nope','nope'",
    "--name,a/b,name",
    "--kind,'',kind"
  })
  void badInputIsOneLineAndLeavesNothing(String option, String value, String named) {
    String given =
        option.equals("--out") || option.equals("--data")
            ? folder.resolve(value).toString()
            : value;
    List<String> words = new ArrayList<>(List.of(SOUND));
    int at = words.indexOf(option);
    if (at >= 0) {
      words.set(at + 1, given);
    } else {
      words.addAll(List.of(option, given));
    }
    CommandLineRun run = run("train", option, words);
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains(named), run.err());
    assertEquals("", run.out());
    assertFalse(Ledger.exists(StateFolder.ledgers(setting.state()), "notes"), "no account");
    assertFalse(Files.exists(setting.out()));
  }

  /** The command without its own values of {@code option} and of what {@code words} give. */
  private CommandLineRun run(String command, String option, List<String> words) {
    List<String> all = new ArrayList<>(List.of(command, "--quiet"));
    String[][] own = {
      {"--data", setting.data().toString()},
      {"--text", "text"},
      {"--label", "label"},
      {"--model", setting.model().toString()},
      {"--state", setting.state().toString()},
      {"--out", setting.out().toString()},
      {"--max-tokens", "64"},
      {"--batch", "10"},
      {"--steps", "3"},
      {"--rank", "2"}
    };
    for (String[] pair : own) {
      // The rank is a setting of one method.
      boolean foreign = pair[0].equals("--rank") && words.contains("--method");
      if (!foreign && !pair[0].equals(option) && !words.contains(pair[0])) {
        all.addAll(List.of(pair));
      }
    }
    all.addAll(words);
    return CommandLineRun.of(all.toArray(String[]::new));
  }

  @Test
  void neitherSizeNorLabelsAreTakenFromTheDataUnasked() {
    CommandLineRun size = run("train", "--labels", "red,blue", "--epsilon", "8");
    assertEquals(ExitCode.BAD_INPUT, size.exitCode());
    assertTrue(size.err().contains("--size-bound"), size.err());
    CommandLineRun labels = run("train", "--size-bound", "100", "--epsilon", "8");
    assertEquals(ExitCode.BAD_INPUT, labels.exitCode());
    assertTrue(labels.err().contains("--labels"), labels.err());
  }

  @Test
  void badRecordsChangeNoMessage() throws IOException {
    String clean = Files.readString(setting.data());
    CommandLineRun before = run("train", sound("--plan"));
    StringBuilder bad = new StringBuilder(clean);
    bad.append("red,\0nul\nunheard,zebra words\nblue,").append("x".repeat(10_000_000)).append('\n');
    byte[] bytes = bad.toString().getBytes(StandardCharsets.ISO_8859_1);
    bytes[clean.length() + 4] = (byte) 0xFF;
    Files.write(setting.data(), bytes);
    assertEquals(before.out(), run("train", sound("--plan")).out());
    CommandLineRun run = run("train", sound());
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals("", run.err());
    assertFalse(run.out().contains("zebra") || run.out().contains("unheard"), run.out());
    CommandLineRun check =
        CommandLineRun.of(
            "check",
            setting.data().toString(),
            "--text",
            "text",
            "--label",
            "label",
            "--labels",
            "red,blue");
    assertTrue(check.out().contains("longer than the line limit"), check.out());
    assertTrue(check.out().contains("its label is not on the list"), check.out());
    assertTrue(check.out().contains("not UTF-8"), check.out());
  }

  /** Eight bytes of a record in a file or a message would be a leak that no ledger pays for. */
  @Test
  void noFileAndNoLineHoldsAPieceOfARecord() throws IOException {
    String marker = "7Q#9ZX!4K@2W%8J&";
    StringBuilder data = new StringBuilder("label,text\n");
    for (int i = 0; i < 80; i++) {
      data.append(i % 2 == 0 ? "red," : "blue,").append(marker).append('\n');
    }
    data.append("red,").append(marker).append("\0").append(marker).append('\n');
    data.append(marker).append(',').append(marker).append('\n');
    Files.writeString(setting.data(), data);
    CommandLineRun run = run("synthesize", sound("--records", "4", "--debug"));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    String page = Files.readString(setting.out().resolve("report.html"));
    assertTrue(page.contains("Differential privacy with epsilon"), page);
    CommandLineRun refused = run("synthesize", sound("--records", "4", "--debug"));
    assertEquals(ExitCode.BAD_INPUT, refused.exitCode(), refused.err());
    assertNoPiece(marker, run.out() + run.err() + refused.out() + refused.err(), "messages");
    for (Path place : List.of(setting.state(), setting.out())) {
      try (Stream<Path> all = Files.walk(place)) {
        for (Path file : all.filter(Files::isRegularFile).toList()) {
          assertNoPiece(
              marker, Files.readString(file, StandardCharsets.ISO_8859_1), file.toString());
        }
      }
    }
  }

  private static void assertNoPiece(String marker, String content, String where) {
    for (int from = 0; from + 8 <= marker.length(); from++) {
      assertFalse(content.contains(marker.substring(from, from + 8)), "a piece is in " + where);
    }
  }
}
