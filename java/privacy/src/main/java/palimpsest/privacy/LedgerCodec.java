package palimpsest.privacy;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Collectors;
import palimpsest.privacy.LedgerRecord.Cap;
import palimpsest.privacy.LedgerRecord.FileSeen;
import palimpsest.privacy.LedgerRecord.Genesis;
import palimpsest.privacy.LedgerRecord.Release;
import palimpsest.privacy.LedgerRecord.Repair;
import palimpsest.privacy.LedgerRecord.RunEnd;
import palimpsest.privacy.LedgerRecord.RunStart;
import palimpsest.privacy.LedgerRecord.Step;

/**
 * Ledger records as flat fields and back; a real number is written as a hexadecimal one, so that it
 * comes back to the bit.
 */
final class LedgerCodec {
  private LedgerCodec() {}

  /** Fields in canonical order, the kind first. */
  static SequencedMap<String, Object> fields(LedgerRecord record) {
    return switch (record) {
      case Genesis g ->
          map(
              "type",
              "genesis",
              "dataSet",
              g.dataSet(),
              "unit",
              g.unit().name(),
              "relation",
              g.relation().name());
      case Cap c -> map("type", "cap", "epsilon", hex(c.epsilon()), "delta", hex(c.delta()));
      case FileSeen f -> map("type", "file", "hmac", f.hmac());
      case RunStart r -> runStart(r);
      case Step s -> map("type", "step", "run", s.run(), "step", s.step());
      case Release r -> release(r);
      case RunEnd e -> map("type", "runEnd", "run", e.run(), "completed", bit(true));
      case Repair r -> map("type", "repair", "bytesCut", r.bytesCut());
    };
  }

  /**
   * The record that has exactly these fields.
   *
   * @throws IllegalArgumentException if there is none
   */
  static LedgerRecord record(SequencedMap<String, Object> fields) {
    Reader in = new Reader(fields);
    LedgerRecord record =
        switch (in.text("type")) {
          case "genesis" ->
              new Genesis(
                  in.text("dataSet"),
                  ProtectedUnit.valueOf(in.text("unit")),
                  NeighbouringRelation.valueOf(in.text("relation")));
          case "cap" -> new Cap(in.real("epsilon"), in.real("delta"));
          case "file" -> new FileSeen(in.digits("hmac", 64));
          case "runStart" -> in.runStart();
          case "step" -> new Step(in.digits("run", 16), in.integer("step"));
          case "release" -> in.release();
          case "runEnd" -> new RunEnd(in.digits("run", 16));
          case "repair" -> new Repair(in.integer("bytesCut"));
          default -> throw new IllegalArgumentException("unknown kind of record");
        };
    if (!List.copyOf(fields(record).entrySet()).equals(List.copyOf(fields.entrySet()))) {
      throw new IllegalArgumentException("fields are missing, surplus or not canonical");
    }
    return record;
  }

  private static SequencedMap<String, Object> runStart(RunStart r) {
    MechanismSpec s = r.spec();
    SequencedMap<String, Object> fields = mechanism(r, s);
    clipRule(s.clipRule()).forEach(fields::put);
    fields.put("rows", r.terms().rows());
    fields.put("waivers", waivers(r.terms().waivers()));
    return fields;
  }

  /** Flat clipping goes without saying, as in lines from before there was another. */
  private static SequencedMap<String, Object> clipRule(ClipRule rule) {
    return switch (rule) {
      case ClipRule.Flat _ -> map();
      case ClipRule.PerLayer _ -> map("clipRule", rule.id());
      case ClipRule.Automatic automatic ->
          map("clipRule", rule.id(), "clipGamma", hex(automatic.gamma()));
      case ClipRule.Quantile quantile ->
          map(
              "clipRule",
              rule.id(),
              "clipQuantile",
              hex(quantile.quantile()),
              "clipRate",
              hex(quantile.rate()),
              "countNoise",
              hex(quantile.countNoise().getAsDouble()));
    };
  }

  private static SequencedMap<String, Object> mechanism(RunStart r, MechanismSpec s) {
    return map(
        "type", "runStart",
        "run", r.run(),
        "first", r.first(),
        "key", r.keyFingerprint(),
        "insecure", bit(r.insecure()),
        "relation", s.relation().name(),
        "noiseMultiplier", hex(s.noiseMultiplier()),
        "clipNorm", hex(s.clipNorm()),
        "samplingThreshold", Long.toUnsignedString(s.samplingThreshold()),
        "steps", (long) s.steps(),
        "delta", hex(s.delta()),
        "expectedBatch", s.expectedBatch(),
        "unit", s.unit().name(),
        "recordsPerUser", (long) s.recordsPerUser(),
        "nonPrivate", bit(s.nonPrivate()));
  }

  private static String waivers(Set<Waiver> waivers) {
    return waivers.stream().sorted().map(Waiver::name).collect(Collectors.joining(","));
  }

  private static SequencedMap<String, Object> release(Release r) {
    boolean gaussian = r.event() instanceof PrivacyEvent.Gaussian;
    double parameter =
        switch (r.event()) {
          case PrivacyEvent.Gaussian g -> g.noiseMultiplier();
          case PrivacyEvent.DiscreteLaplace d -> d.epsilon();
          default -> throw new IllegalArgumentException("ledger: not a release");
        };
    return map(
        "type", "release",
        "run", r.run(),
        "what", r.what(),
        "mechanism", gaussian ? "gaussian" : "discreteLaplace",
        "parameter", hex(parameter),
        "count", r.event().count());
  }

  private static SequencedMap<String, Object> map(Object... keysAndValues) {
    SequencedMap<String, Object> fields = new LinkedHashMap<>();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      fields.put((String) keysAndValues[i], keysAndValues[i + 1]);
    }
    return fields;
  }

  private static String hex(double value) {
    return Double.toHexString(value);
  }

  private static long bit(boolean value) {
    return value ? 1L : 0L;
  }

  /** Typed access to the fields of a line. */
  private static final class Reader {
    private final Map<String, Object> fields;

    private Reader(Map<String, Object> fields) {
      this.fields = fields;
    }

    private String text(String key) {
      if (fields.get(key) instanceof String value) {
        return value;
      }
      throw new IllegalArgumentException("field " + key + " must be a string");
    }

    private long integer(String key) {
      if (fields.get(key) instanceof Long value) {
        return value;
      }
      throw new IllegalArgumentException("field " + key + " must be an integer");
    }

    private double real(String key) {
      return Double.parseDouble(text(key));
    }

    private boolean bit(String key) {
      return integer(key) == 1;
    }

    private String digits(String key, int length) {
      String value = text(key);
      if (value.length() != length
          || !value.chars().allMatch(c -> "0123456789abcdef".indexOf(c) >= 0)) {
        throw new IllegalArgumentException("field " + key + " must be hexadecimal digits");
      }
      return value;
    }

    private RunStart runStart() {
      MechanismSpec spec =
          new MechanismSpec(
              NeighbouringRelation.valueOf(text("relation")),
              real("noiseMultiplier"),
              real("clipNorm"),
              Long.parseUnsignedLong(text("samplingThreshold")),
              Math.toIntExact(integer("steps")),
              real("delta"),
              integer("expectedBatch"),
              ProtectedUnit.valueOf(text("unit")),
              Math.toIntExact(integer("recordsPerUser")),
              bit("nonPrivate"),
              clipRule());
      String run = digits("run", 16);
      Optional<String> first = Optional.of(digits("first", 16)).filter(name -> !name.equals(run));
      return new RunStart(
          run,
          digits("key", 16),
          bit("insecure"),
          new RunTerms(spec, text("rows"), waivers(), first));
    }

    private ClipRule clipRule() {
      if (!fields.containsKey("clipRule")) {
        return new ClipRule.Flat();
      }
      return switch (text("clipRule")) {
        case "per-layer" -> new ClipRule.PerLayer();
        case "automatic" -> new ClipRule.Automatic(real("clipGamma"));
        case "quantile" ->
            new ClipRule.Quantile(
                real("clipQuantile"), real("clipRate"), OptionalDouble.of(real("countNoise")));
        default -> throw new IllegalArgumentException("unknown clip rule");
      };
    }

    private Set<Waiver> waivers() {
      String names = text("waivers");
      return names.isEmpty()
          ? Set.of()
          : Arrays.stream(names.split(",")).map(Waiver::valueOf).collect(Collectors.toSet());
    }

    private Release release() {
      double parameter = real("parameter");
      PrivacyEvent event =
          switch (text("mechanism")) {
            case "gaussian" -> new PrivacyEvent.Gaussian(parameter, integer("count"));
            case "discreteLaplace" -> new PrivacyEvent.DiscreteLaplace(parameter, integer("count"));
            default -> throw new IllegalArgumentException("unknown mechanism");
          };
      return new Release(digits("run", 16), text("what"), event);
    }
  }
}
