package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import palimpsest.privacy.PrivacyEvent.Gaussian;
import palimpsest.privacy.PrivacyEvent.PoissonGaussian;
import palimpsest.privacy.PrivacyEvent.TruncatedPoissonGaussian;
import palimpsest.testing.Shared;

/** The 84 figures that four public libraries publish, each within the tolerance of its row. */
class PublishedAccountingTest {
  private static final int ROWS = 84;

  /** What an accountant with error 0.01 in epsilon and delta / 1000 in delta adds to the truth. */
  private static final double ADDED_LEAST = 0.0095;

  private static final double ADDED_MOST = 0.013;

  /** The central-limit estimate is below the truth: nothing here computes it. */
  private static final List<String> NOT_COVERED = List.of("GDP (CLT) epsilon, UNSAFE");

  private record Row(String quantity, JsonNode inputs, double published, double tolerance) {
    double rate() {
      return inputs.path("q").asDouble(1);
    }

    double sigma() {
      return inputs.get("sigma").asDouble();
    }

    int steps() {
      // 90 epochs at rate 0.04; an integer in every configuration here.
      return inputs.has("epochs") ? 2250 : inputs.path("steps").asInt(1);
    }

    double delta() {
      return inputs.get("delta").asDouble();
    }

    MechanismSpec spec(double sigma) {
      return Settings.of(rate(), sigma, steps(), delta());
    }

    /** Whether a value known only to be inside the interval agrees. */
    boolean fits(double lower, double upper) {
      return lower <= published + tolerance && upper >= published - tolerance;
    }
  }

  @Test
  void everyPublishedFigureIsMet() throws IOException {
    JsonNode table = new ObjectMapper().readTree(Shared.file("golden/published.json").toFile());
    List<String> wrong = new ArrayList<>();
    int rows = 0;
    int left = 0;
    for (JsonNode node : table) {
      Row row =
          new Row(
              node.get("quantity").asText(),
              node.get("inputs"),
              node.get("published").asDouble(),
              node.get("tolerance").asDouble());
      rows++;
      if (NOT_COVERED.contains(row.quantity())) {
        left++;
      } else if (!agrees(row)) {
        wrong.add(row.toString());
      }
    }
    assertEquals(List.of(), wrong);
    assertEquals(ROWS, rows);
    assertEquals(1, left);
  }

  private static boolean agrees(Row row) {
    String quantity = row.quantity();
    if (quantity.startsWith("PRV upper epsilon")) {
      EpsilonBracket ours = Accountant.of(row.spec(row.sigma())).epsilon(row.delta());
      return row.published() - ours.lower() >= ADDED_LEAST
          && row.published() - ours.upper() <= ADDED_MOST;
    }
    if (quantity.contains("PLD epsilon")) {
      int records = quantity.startsWith("user-level") ? 2 : 1;
      MechanismSpec spec = row.spec(row.sigma()).withUnit(ProtectedUnit.USER, records);
      return fits(row, loss(spec).epsilon(row.delta(), 1e-5));
    }
    if (quantity.startsWith("connect-the-dots")) {
      return oneStepDelta(row);
    }
    if (quantity.startsWith("max TPR at FPR")) {
      double rate = Double.parseDouble(quantity.split(" ")[4].replace(",", ""));
      double ours = AnalyticGaussian.truePositiveRate(1, rate);
      return row.fits(ours, ours);
    }
    if (quantity.startsWith("sigma for eps 1") || quantity.startsWith("noise multiplier (prv")) {
      return sigma(row, quantity.startsWith("sigma") ? 1 : 8);
    }
    return quantity.contains("RDP") || quantity.contains("rdp") ? renyi(row) : other(row);
  }

  private static PrivacyLoss loss(MechanismSpec spec) {
    return PrivacyLoss.of(spec.relation(), List.of(new PoissonGaussian(spec)));
  }

  private static boolean fits(Row row, PrivacyLoss.Interval ours) {
    assertTrue(ours.upper() - ours.lower() <= 1e-4 * ours.upper(), row::toString);
    return row.fits(ours.lower(), ours.upper());
  }

  private static boolean oneStepDelta(Row row) {
    double epsilon = Integer.parseInt(row.quantity().replaceAll(".*delta\\((\\d+)\\).*", "$1"));
    LossPair pair =
        row.quantity().endsWith("replace")
            ? new ReplacedGaussian(row.rate(), row.sigma())
            : new SubsampledGaussian(row.rate(), row.sigma());
    LossPmf pmf = new LossCells(pair, 1e-5, 9).upper(row.quantity().endsWith("add"));
    double ours = new Composition(List.of(new Composition.Part(pmf, 1))).deltaAbove(epsilon);
    return row.fits(ours, ours);
  }

  /** The least noise is where it should be if epsilon crosses the target inside the tolerance. */
  private static boolean sigma(Row row, double target) {
    int sensitivity = row.quantity().endsWith("sensitivity 6") ? 6 : 1;
    MechanismSpec low = row.spec((row.published() - row.tolerance()) / sensitivity);
    MechanismSpec high = row.spec((row.published() + row.tolerance()) / sensitivity);
    double least = Calibration.calibrate(low, target).noiseMultiplier() * sensitivity;
    return loss(low).epsilon(row.delta(), 1e-5).upper() >= target
        && loss(high).epsilon(row.delta(), 1e-5).lower() <= target
        && Math.abs(least - row.published()) <= row.tolerance() + 1.5e-4 * least;
  }

  private static boolean renyi(Row row) {
    double[] orders = orders(63);
    if (row.quantity().startsWith("RDP at order")) {
      double order = Double.parseDouble(row.quantity().substring("RDP at order ".length()));
      SubsampledGaussian pair = new SubsampledGaussian(row.rate(), row.sigma());
      double ours = row.steps() * RenyiMoments.of(pair, new double[] {order})[0] / (order - 1);
      return row.fits(ours, ours);
    }
    if (row.quantity().startsWith("epsilon from constant RDP")) {
      double[] integers = IntStream.rangeClosed(2, 32).asDoubleStream().toArray();
      double[] constant = IntStream.rangeClosed(2, 32).mapToDouble(_ -> 1.1).toArray();
      double ours = new RenyiAccountant(integers, constant, 0).epsilon(row.delta());
      return row.fits(ours, ours);
    }
    if (row.quantity().endsWith("all orders")) {
      orders = IntStream.range(1020, 60_000).mapToDouble(i -> i / 1000.0).toArray();
    }
    double[] used = orders;
    DoubleUnaryOperator epsilon =
        sigma ->
            RenyiAccountant.of(
                    NeighbouringRelation.ADD_REMOVE,
                    List.of(new PoissonGaussian(row.spec(sigma))),
                    used)
                .epsilon(row.delta());
    double ours =
        row.quantity().startsWith("noise multiplier")
            ? root(epsilon, 8)
            : epsilon.applyAsDouble(row.sigma());
    return row.fits(ours, ours);
  }

  /** Tenths to 10.9 and integers to {@code last}, then powers of two to 1024. */
  private static double[] orders(int last) {
    IntStream tenths = IntStream.range(11, 110);
    IntStream integers = IntStream.rangeClosed(11, last).map(a -> 10 * a);
    IntStream powers = IntStream.of(1280, 2560, 5120, 10240);
    return IntStream.concat(IntStream.concat(tenths, integers), powers)
        .mapToDouble(a -> a / 10.0)
        .toArray();
  }

  private static double root(DoubleUnaryOperator falling, double value) {
    double low = 0.5;
    double high = 5;
    for (int i = 0; i < 25; i++) {
      double mid = 0.5 * (low + high);
      if (falling.applyAsDouble(mid) > value) {
        low = mid;
      } else {
        high = mid;
      }
    }
    return high;
  }

  private static boolean other(Row row) {
    NeighbouringRelation relation = NeighbouringRelation.ADD_REMOVE;
    if (row.quantity().equals("delta at eps=1, 3 x Gaussian sigma sqrt(3)")) {
      PrivacyEvent event = new Gaussian(Math.sqrt(3), 3);
      return fits(row, PrivacyLoss.of(relation, List.of(event)).delta(1));
    }
    if (row.quantity().equals("delta at eps=1")) {
      MechanismSpec spec = Settings.of(row.rate(), row.sigma(), row.steps(), 1e-5);
      return fits(row, loss(spec).delta(1, 1e-5));
    }
    if (row.quantity().startsWith("truncated Poisson epsilon")) {
      PrivacyEvent first = new TruncatedPoissonGaussian(1, 0.5, 4, 2, 3);
      PrivacyEvent second = new TruncatedPoissonGaussian(1, 0.5, 3, 2, 2);
      double ours =
          PrivacyLoss.of(relation, List.of(first, second)).epsilon(row.delta(), 1e-7).upper();
      return row.fits(ours, ours);
    }
    if (row.quantity().startsWith("largest number of steps")) {
      MechanismSpec most = row.spec(row.sigma()).withSteps((int) row.published());
      MechanismSpec more = most.withSteps(most.steps() + 1);
      return Accountant.of(most).epsilon(row.delta()).upper() <= 2
          && Accountant.of(more).epsilon(row.delta()).upper() > 2;
    }
    throw new AssertionError("a figure that no check covers: " + row);
  }
}
