package palimpsest.synth;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.SplittableRandom;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.privacy.LedgerRecord;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.RunTerms;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import palimpsest.testing.FuzzFormat;
import palimpsest.testing.FuzzTests;

/** What a run leaves for the next: the private state of an unfinished one, an adapter's card. */
class RunFuzzTest extends FuzzTests {
  private static final String SETTINGS = "epsilon 8, 100 steps";
  private static final String RUN = "5ec4e7a0b1c2d3f4";
  private static final String CODE = "0badc0dedecade00".repeat(4);
  private static final List<String> SECRETS = List.of(RUN, CODE);
  private static final long PAID = 5;
  private static final RunTerms TERMS =
      RunTerms.of(
          MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1.5, 0.1, 100, 10_000, 5, 1e-6));

  private final Path state = folder.resolve("state");
  private final Path output = folder.resolve("out");
  private final Path checkpoint = folder.resolve("training.safetensors");

  RunFuzzTest() throws IOException {}

  @Override
  protected List<FuzzFormat> formats() throws IOException {
    Path properties = properties();
    TrainingState training = training();
    training.updates = PAID;
    training.clipNorm = OptionalDouble.of(0.75);
    training.save(checkpoint, RUN);
    byte[] saved = Files.readAllBytes(checkpoint);
    return List.of(
        FuzzFormat.of("run-state", file -> resume(properties, file), InputException.class)
            .hiding(SECRETS)
            .from(Files.readString(properties), Files.readString(properties).split("\n")[0])
            .from(Files.readString(properties).replace("48", "4 8"), "data=\\u12\n")
            .from(new byte[] {(byte) 0xff}),
        FuzzFormat.of(
                "checkpoint",
                file -> load(training, file),
                InputException.class,
                ModelFileException.class)
            .hiding(SECRETS)
            .from(saved),
        FuzzFormat.of(
                "checkpoint-header",
                header -> load(training, safetensors(header, numbers(saved))),
                InputException.class,
                ModelFileException.class)
            .hiding(SECRETS)
            .from(header(saved))
            .from(changed(saved, "\"updates\":\"5\"", "\"updates\":\"five\""))
            .from(changed(saved, "\"updates\":\"5\"", "\"updates\":\"-5\""))
            .from(changed(saved, "\"updates\"", "\"UPDATES\""))
            .from(changed(saved, "F64", RUN))
            .from(changed(saved, "\"shape\":[", "\"shape\":[1,")),
        FuzzFormat.of("adapter-card", this::card, InputException.class, ModelFileException.class)
            .from(cardSeed()));
  }

  /** The file that an unfinished run has left. */
  private Path properties() throws IOException {
    try (RunState run = RunState.open(state, output, SETTINGS, false)) {
      run.paidBy(new LedgerRecord.RunStart(RUN, RUN, false, TERMS), CODE);
      run.keepLabelCounts(new long[] {48, -3});
      return run.checkpoint().resolveSibling("run.properties");
    }
  }

  private Object resume(Path properties, byte[] file) throws IOException {
    Files.write(properties, file);
    try (RunState run = RunState.open(state, output, SETTINGS, true)) {
      run.requireSameData(CODE);
      run.stepsPaid(List.of());
      run.labelCounts();
      return run.isPaidFor() ? run.name().length() : 0;
    }
  }

  /** The memory of the state lives as long as the process. */
  private TrainingState training() throws IOException {
    Kernels kernels = new ReferenceKernels();
    TensorArena arena = new TensorArena();
    try (ModelFolder model = ModelFolder.open(new TinySetting(folder).model())) {
      TuningMethod method = new TuningMethod.Lora(2, 4, Set.of(Role.QUERY));
      TunedDecoder tuned = TunedDecoder.begin(model, kernels, 16, method, new SplittableRandom(1));
      return new TrainingState(tuned, Optimizers.adamW(1e-3), arena);
    }
  }

  private Object load(TrainingState training, byte[] file) throws IOException {
    Files.write(checkpoint, file);
    training.load(checkpoint, RUN, PAID);
    if (training.updates < 0 || training.updates > PAID) {
      throw new AssertionError(training.updates + " updates of " + PAID + " paid for");
    }
    return training.updates;
  }

  private static String changed(byte[] saved, String old, String other) {
    String header = new String(header(saved), StandardCharsets.UTF_8);
    return header.replace(old, other);
  }

  private byte[] cardSeed() throws IOException {
    Path card = Files.createDirectories(folder.resolve("card"));
    new AdapterCard(
            "base",
            "0123456789abcdef".repeat(4),
            List.of("*.bias", "model.layers.?.mlp.*"),
            Labels.of(List.of("red", "blue"), List.of(Optional.of("of fire"), Optional.empty())),
            new Synthesis.Prompt("note", Optional.of("{kind} {label}: ")),
            64,
            "private")
        .write(card);
    return Files.readAllBytes(card.resolve("palimpsest.json"));
  }

  private Object card(byte[] file) throws IOException {
    Path card = folder.resolve("card");
    Files.write(card.resolve("palimpsest.json"), file);
    return AdapterCard.read(card).orElseThrow();
  }
}
