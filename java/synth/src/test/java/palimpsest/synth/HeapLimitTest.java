package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.RecordOptions;

/**
 * A file that uses up what the heap has room for is read, encoded and trained on; one record more
 * is refused by the stated limit, not by the end of the heap.
 */
class HeapLimitTest {
  private static final int SHORT = 1;
  private static final int LONG = 10_000;

  /** Where a record's memory goes. */
  enum Shape {
    OBJECTS,
    TOKENS,
    TEXT,
    USERS
  }

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource
  void aFileAtTheLimitIsTrainedOn(Shape shape) throws Exception {
    assertEquals(0, run("-Xmx96m", shape));
  }

  @ParameterizedTest
  @EnumSource
  @EnabledIfSystemProperty(named = "palimpsest.test.full", matches = "true")
  void aFileAtTheLimitOfTheLaunchersHeapIsTrainedOn(Shape shape) throws Exception {
    assertEquals(0, run("-Xmx2g", shape));
  }

  private int run(String heap, Shape shape) throws Exception {
    return new ProcessBuilder(
            ProcessHandle.current().info().command().orElseThrow(),
            heap,
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-cp",
            System.getProperty("java.class.path"),
            Reader.class.getName(),
            folder.toString(),
            shape.name())
        .inheritIO()
        .start()
        .waitFor();
  }

  /** The process whose heap is limited: exit code 0 if all is as it should be. */
  static final class Reader {
    private final TinySetting setting;
    private final Shape shape;
    private final RecordOptions options;

    private Reader(TinySetting setting, Shape shape) {
      this.setting = setting;
      this.shape = shape;
      RecordOptions plain = RecordOptions.of(List.of("text"), "label").withMaxTokens(64);
      options = shape == Shape.USERS ? plain.withUser("who", 1) : plain;
    }

    public static void main(String[] arguments) throws IOException {
      Reader reader =
          new Reader(new TinySetting(Path.of(arguments[0])), Shape.valueOf(arguments[1]));
      long records = reader.fill();
      reader.train(records);
      Files.writeString(reader.setting.data(), reader.row(records), StandardOpenOption.APPEND);
      try {
        reader.train(records);
        System.exit(1);
      } catch (InputException e) {
        System.exit(e.getMessage().contains("room") ? 0 : 2);
      }
    }

    private String row(long i) {
      int length = shape == Shape.TEXT ? LONG : shape == Shape.TOKENS ? 64 : SHORT;
      return "red," + "x".repeat(length) + ",u" + (1_000_000_000 + i) + "\n";
    }

    /** Writes as many records as there is room for. */
    private long fill() throws IOException {
      String[] row = row(0).strip().split(",");
      int user = shape == Shape.USERS ? row[2].length() : 0;
      long records = options.limits().room() / options.limits().bytes(row[1].length(), user);
      try (BufferedWriter out = Files.newBufferedWriter(setting.data())) {
        out.write("label,text,who\n");
        for (long i = 0; i < records; i++) {
          out.write(row(i));
        }
      }
      return records;
    }

    private void train(long records) {
      Synthesis.run(
          setting.model(),
          new Synthesis.Source(setting.data(), options, TinySetting.LABELS, "notes"),
          TinySetting.PROMPT,
          settings(records),
          new SamplingSettings(1, 1, 0, 1, 0.5, false, 1),
          TinySetting.execution(),
          Set.of(),
          new Synthesis.Destination(
              setting.out().resolveSibling("out" + System.nanoTime()),
              false,
              setting.state(),
              OptionalDouble.empty(),
              false),
          SynthesisListener.silent());
    }

    private RunSettings settings(long records) {
      RunSettings tiny = TinySetting.settings(8, 2);
      return new RunSettings(
          new RunSettings.Goal(
              NeighbouringRelation.ADD_REMOVE,
              8,
              OptionalDouble.empty(),
              shape == Shape.USERS ? ProtectedUnit.USER : ProtectedUnit.RECORD,
              1),
          records,
          64,
          OptionalInt.empty(),
          tiny.time(),
          tiny.clipNorm(),
          tiny.method(),
          OptionalLong.of(200),
          OptionalInt.of(2),
          OptimizerChoice.none(),
          OptionalDouble.empty());
    }
  }
}
