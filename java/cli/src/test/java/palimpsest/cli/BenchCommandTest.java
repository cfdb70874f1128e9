package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.synth.bench.RandomModel;

class BenchCommandTest {
  @TempDir private Path temp;

  private static JsonNode measurements(CommandLineRun run) throws IOException {
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return new ObjectMapper().readTree(run.out()).get("measurements");
  }

  @Test
  void aStepIsMeasuredWithAndWithoutPrivacyAndRecordedOnRequest() throws IOException {
    Path model = temp.resolve("tiny");
    RandomModel.write(TinyConfigs.llama(), model, 1);
    Path record = temp.resolve("step.csv");
    JsonNode rows =
        measurements(
            CommandLineRun.of(
                "bench",
                "step",
                "--json",
                "--model",
                model.toString(),
                "--length",
                "5,9",
                "--batch",
                "7",
                "--group-rows",
                "18",
                "--workers",
                "2",
                "--rounds",
                "3",
                "--record",
                record.toString()));
    assertEquals(4, rows.size());
    JsonNode first = rows.get(0);
    assertTrue(first.get("workload").textValue().endsWith("T=5 batch 7 private"), first.toString());
    assertTrue(first.get("ratio").doubleValue() > 0);
    assertTrue(first.get("fraction").doubleValue() > 0);
    // tokens_per_s and median_s are both of the same step: 5 x 7 tokens.
    assertEquals(
        35, first.get("tokens_per_s").doubleValue() * first.get("median_s").doubleValue(), 0.1);
    assertTrue(rows.get(1).get("ratio").isNull());
    assertEquals(5, Files.readAllLines(record).size());
  }

  @ParameterizedTest
  @CsvSource({
    "--method full,full ",
    "--method full --norms sketched,full sketched ",
    "--method prompt --prompt-tokens 3,prompt ",
    "--method bias --targets down,bias ",
    "--method lora --rank 2,lora r=2 "
  })
  void aStepOfEveryMethod(String options, String named) throws IOException {
    Path model = temp.resolve("model");
    RandomModel.write(TinyConfigs.llama(), model, 1);
    List<String> words = new ArrayList<>(List.of("bench", "step", "--json", "--rounds", "3"));
    words.addAll(List.of("--model", model.toString(), "--length", "6", "--batch", "4"));
    words.addAll(List.of("--compute", "f32", "--workers", "2"));
    words.addAll(List.of(options.split(" ")));
    JsonNode rows = measurements(CommandLineRun.of(words.toArray(String[]::new)));
    assertEquals(2, rows.size());
    assertTrue(rows.get(0).get("workload").textValue().startsWith(named), rows.toString());
    assertTrue(rows.get(0).get("ratio").doubleValue() > 0);
  }

  @ParameterizedTest
  @CsvSource({
    "--method full,adafactor private",
    "--method full --optimizer sgd,sgd private",
    "--method full --optimizer adamw,batch 4 private",
    "--optimizer adam,adam private"
  })
  void aStepOfEveryOptimizer(String options, String named) throws IOException {
    Path model = temp.resolve("model");
    RandomModel.write(TinyConfigs.llama(), model, 1);
    List<String> words = new ArrayList<>(List.of("bench", "step", "--json", "--rounds", "3"));
    words.addAll(List.of("--model", model.toString(), "--length", "6", "--batch", "4"));
    words.addAll(List.of(options.split(" ")));
    JsonNode rows = measurements(CommandLineRun.of(words.toArray(String[]::new)));
    assertTrue(rows.get(0).get("workload").textValue().endsWith(named), rows.toString());
  }

  @ParameterizedTest
  @CsvSource({"private", "non-private"})
  void oneKindOfStepAlone(String kind) throws IOException {
    Path model = temp.resolve("alone");
    RandomModel.write(TinyConfigs.llama(), model, 1);
    List<String> words = new ArrayList<>(List.of("bench", "step", "--json", "--rounds", "3"));
    words.addAll(List.of("--model", model.toString(), "--length", "6", "--only", kind));
    JsonNode rows = measurements(CommandLineRun.of(words.toArray(String[]::new)));
    assertEquals(1, rows.size());
    assertTrue(rows.get(0).get("workload").textValue().endsWith(" " + kind), rows.toString());
    assertTrue(rows.get(0).get("ratio").isNull());
    assertTrue(rows.get(0).get("peak_memory_mb").doubleValue() > 0);
  }

  @Test
  void kernelsAreChosenByName() throws IOException {
    JsonNode rows =
        measurements(
            CommandLineRun.of(
                "bench",
                "kernel",
                "--json",
                "--only",
                "clip",
                "--rounds",
                "3",
                "--compute",
                "f32"));
    assertEquals(2, rows.size());
    assertEquals("GB/s", rows.get(0).get("unit").textValue());
  }

  @Test
  void theJavaNoiseIsMeasuredAgainstTheKernel() throws IOException {
    JsonNode rows = measurements(CommandLineRun.of("bench", "noise", "--json", "--rounds", "3"));
    assertEquals(2, rows.size());
    for (JsonNode row : rows) {
      assertEquals("ns/element", row.get("unit").textValue());
      assertTrue(row.get("rate").doubleValue() > 0);
    }
    assertTrue(rows.get(1).get("ratio").doubleValue() > 0);
  }

  @Test
  void theAccountantIsTimed() throws IOException {
    JsonNode rows =
        measurements(CommandLineRun.of("bench", "accountant", "--json", "--rounds", "3"));
    assertEquals(2, rows.size());
    assertTrue(rows.get(0).get("workload").textValue().startsWith("epsilon"));
    assertTrue(rows.get(1).get("median_s").doubleValue() > 0);
  }

  @Test
  void badSettingsAreNamed() {
    for (String[] args :
        new String[][] {
          {"bench", "step", "--rounds", "1", "rounds"},
          {"bench", "step", "--length", "0", "length"},
          {"bench", "step", "--method", "magic", "method"},
          {"bench", "step", "--only", "sums", "only"},
          {"bench", "step", "--optimizer", "magic", "optimizer"},
          {"bench", "step", "--model", "no-such-model", "no model"},
          {"bench", "noise", "--rounds", "2", "rounds"},
        }) {
      CommandLineRun run = CommandLineRun.of(Arrays.copyOf(args, args.length - 1));
      assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.err());
      assertTrue(run.err().contains(args[args.length - 1]), run.err());
    }
    assertEquals(ExitCode.BAD_INPUT, CommandLineRun.of("bench").exitCode());
  }
}
