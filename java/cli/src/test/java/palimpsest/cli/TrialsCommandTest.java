package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TrialsCommandTest {
  private static final String RUN = "--rate 1 --steps 1 --delta 1e-6";

  private static CommandLineRun trials(String options) {
    return CommandLineRun.of(
        Stream.concat(Stream.of("trials"), Stream.of(options.strip().split(" +")))
            .toArray(String[]::new));
  }

  private static JsonNode figures(String options) throws IOException {
    CommandLineRun run = trials(options + " --json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return new ObjectMapper().readTree(run.out());
  }

  /** The closed forms of {@code TuningTrialsTest.bestOfGaussiansIsTheClosedForm}. */
  @ParameterizedTest
  @CsvSource({
    "poisson, 1.9804037817028842",
    "geometric, 1.8135689883724251",
    "logarithmic, 1.5132523611401561",
    "negative-binomial --shape -0.5, 1.3283815442563358"
  })
  void theBestOfKIsPricedBesideOneRunAndAllOfThem(String distribution, double epsilon)
      throws IOException {
    JsonNode found = figures("--distribution " + distribution + " --mean 9.5 --noise 5 " + RUN);
    assertTrue(found.get("epsilon").asDouble() < epsilon, found.toString());
    found = figures("--distribution " + distribution + " --mean 10 --noise 5 " + RUN);
    assertEquals(epsilon, found.get("epsilon").asDouble(), 1e-9 * epsilon);
    assertTrue(found.get("epsilon_one_run").asDouble() < epsilon, found.toString());
    assertEquals(10, found.get("runs_composed").asInt());
    assertTrue(found.get("epsilon_all_runs").asDouble() > epsilon, found.toString());
  }

  @Test
  void allRunsAreTheMeanRoundedUpComposed() throws IOException {
    JsonNode found = figures("--distribution geometric --mean 3.2 --noise 5 " + RUN);
    assertEquals(4, found.get("runs_composed").asInt());
    CommandLineRun four =
        CommandLineRun.of("epsilon --rate 1 --noise 5 --steps 4 --delta 1e-6 --json".split(" "));
    double epsilon = new ObjectMapper().readTree(four.out()).get("epsilon").asDouble();
    assertEquals(epsilon, found.get("epsilon_all_runs").asDouble());
  }

  @Test
  void theNoiseMeetsTheTargetAndTheShownFigureDoesToo() throws IOException {
    String law = "--distribution logarithmic --mean 10 " + RUN;
    JsonNode exact = figures(law + " --epsilon 2");
    assertTrue(exact.get("epsilon").asDouble() <= 2, exact.toString());
    assertTrue(exact.get("epsilon").asDouble() > 1.999, exact.toString());
    String shown =
        trials(law + " --epsilon 2")
            .out()
            .lines()
            .filter(line -> line.startsWith("noise multiplier"))
            .findFirst()
            .orElseThrow()
            .split(" +")[2];
    assertTrue(Double.parseDouble(shown) >= exact.get("noise_multiplier").asDouble(), shown);
    assertTrue(figures(law + " --noise " + shown).get("epsilon").asDouble() <= 2, shown);
  }

  @Test
  void replacingARecordCostsMore() throws IOException {
    String law = "--distribution geometric --mean 3 --noise 5 " + RUN;
    double added = figures(law).get("epsilon").asDouble();
    assertTrue(figures(law + " --relation replace-one").get("epsilon").asDouble() > 1.5 * added);
  }

  @Test
  void aDrawIsANumberAloneAndItsConditionsAreSaid() throws IOException {
    CommandLineRun run = trials("--distribution geometric --mean 3 --draw");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(Long.parseLong(run.out().strip()) >= 1, run.out());
    assertTrue(run.err().contains("secret"), run.err());
    assertTrue(run.err().contains("score"), run.err());
    assertTrue(figures("--distribution geometric --mean 3 --draw").get("runs").asLong() >= 1);
    assertTrue(
        trials("--distribution geometric --mean 3 --noise 5 " + RUN).out().contains("score"));
  }

  @ParameterizedTest
  @CsvSource({
    "--distribution poisson --mean 0.5 --noise 5, mean",
    "--distribution poisson --mean 0 --noise 5, mean",
    "--distribution poisson --mean NaN --draw, mean",
    "--distribution geometric --mean 1 --noise 5, above 1",
    "--distribution geometric --mean -3 --noise 5, mean",
    "--distribution geometric --mean Infinity --noise 5, mean",
    "--distribution binomial --mean 3 --noise 5, --distribution",
    "--distribution negative-binomial --mean 3 --noise 5, --shape",
    "--distribution negative-binomial --shape -1 --mean 3 --noise 5, eta",
    "--distribution geometric --shape 2 --mean 3 --noise 5, --shape",
    "--distribution geometric --mean 3 --noise 0, --noise",
    "--distribution geometric --mean 3 --epsilon inf, epsilon",
    "--distribution geometric --mean 3 --epsilon 1e-3, no noise multiplier",
    "--distribution geometric --mean 3 --epsilon 2 --noise 5, --noise",
    "--distribution geometric --mean 3 --draw --noise 5, --draw",
    "--distribution geometric --mean 3 --draw --rate 1, --rate",
    "--distribution geometric --mean 1e7 --draw, runs",
    "--distribution geometric --mean 3, --noise",
    "--mean 3 --noise 5, --distribution"
  })
  void whatTheTheoremsDoNotCoverIsOneLine(String options, String named) {
    boolean whole = options.contains("--draw");
    CommandLineRun run = trials(options + (whole ? "" : " " + RUN));
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.out());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains(named), run.err());
    assertEquals("", run.out());
  }
}
