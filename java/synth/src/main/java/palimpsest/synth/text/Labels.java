package palimpsest.synth.text;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/**
 * The closed list of labels, each with an optional public description. It is public: it comes from
 * its owner's knowledge of the task, not from the records, unless the owner waives that ({@link
 * #fromData}), which the privacy statement must then say.
 */
public final class Labels {
  static final int MAX_LABELS = 10_000;
  private static final int MAX_FILE_BYTES = 4 << 20;
  private static final int MAX_CHARACTERS = 500;
  private static final double MAX_WEIGHT = 1e9;

  private final List<String> names;
  private final List<Optional<String>> descriptions;
  private final double[] weights;
  private final Map<String, Integer> indices = new HashMap<>();

  private Labels(List<String> names, List<Optional<String>> descriptions, double[] weights) {
    this.names = List.copyOf(names);
    this.descriptions = List.copyOf(descriptions);
    this.weights = weights;
    if (names.isEmpty()) {
      throw new InputException("labels: the list is empty; name at least one");
    }
    if (names.size() > MAX_LABELS) {
      throw new InputException("labels: more than " + MAX_LABELS + "; is this the label column?");
    }
    for (int i = 0; i < names.size(); i++) {
      check(names.get(i));
      descriptions.get(i).ifPresent(Labels::check);
      if (indices.put(names.get(i), i) != null) {
        throw new InputException("labels: '" + names.get(i) + "' stands twice; name each once");
      }
    }
  }

  private static boolean isUsable(String text) {
    return !text.isBlank()
        && text.length() <= MAX_CHARACTERS
        && text.chars().noneMatch(Character::isISOControl);
  }

  private static void check(String text) {
    if (!isUsable(text)) {
      throw new InputException(
          "labels: each label and description needs 1 to "
              + MAX_CHARACTERS
              + " characters, none of them a control character");
    }
  }

  private static double[] equalWeights(int size) {
    double[] weights = new double[size];
    Arrays.fill(weights, 1);
    return weights;
  }

  /** Labels by name, without descriptions; index i is the i-th. */
  public static Labels of(List<String> names) {
    List<String> stripped = names.stream().map(String::strip).toList();
    return of(stripped, stripped.stream().map(name -> Optional.<String>empty()).toList());
  }

  /** Labels and their public descriptions, in the map's order. */
  public static Labels of(Map<String, String> descriptionByName) {
    List<Optional<String>> descriptions = new ArrayList<>();
    for (String description : descriptionByName.values()) {
      descriptions.add(Optional.of(description.strip()));
    }
    return of(descriptionByName.keySet().stream().map(String::strip).toList(), descriptions);
  }

  /** Labels with a description each, or none; index for index. */
  public static Labels of(List<String> names, List<Optional<String>> descriptions) {
    return new Labels(names, descriptions, equalWeights(names.size()));
  }

  /**
   * The same labels with public weights: how many synthetic records each gets, relative to the
   * others.
   *
   * @param weights one positive number a label
   */
  public Labels withWeights(List<Double> weights) {
    if (weights.size() != size()) {
      throw new InputException("labels: every label needs a weight, or none does");
    }
    for (double weight : weights) {
      if (!(weight > 0 && weight <= MAX_WEIGHT)) {
        throw new InputException("labels: a weight must be above 0 and at most " + MAX_WEIGHT);
      }
    }
    return new Labels(
        names, descriptions, weights.stream().mapToDouble(Double::doubleValue).toArray());
  }

  /** The one label of a data set without labels. */
  public static Labels single() {
    return of(List.of("text"));
  }

  /**
   * Labels from a file: one a line, {@code label}, {@code label<TAB>public description} or {@code
   * label<TAB>public description<TAB>weight}; empty lines are passed over.
   *
   * @throws InputException if the file is missing, too large, or not such a list
   */
  public static Labels read(Path path) {
    List<String> names = new ArrayList<>();
    List<Optional<String>> descriptions = new ArrayList<>();
    List<Double> weights = new ArrayList<>();
    try {
      if (Files.size(path) > MAX_FILE_BYTES) {
        throw new InputException(path + ": too large for a list of labels; give one label a line");
      }
      for (String line : Utf8.decode(Files.readAllBytes(path)).split("\r?\n")) {
        if (!line.isBlank()) {
          String[] parts = line.split("\t", 3);
          names.add(parts[0].strip());
          descriptions.add(
              parts.length > 1 && !parts[1].isBlank()
                  ? Optional.of(parts[1].strip())
                  : Optional.empty());
          if (parts.length > 2) {
            weights.add(weight(path, parts[2].strip()));
          }
        }
      }
    } catch (IOException e) {
      throw InputException.unreadable(path.toString(), e);
    }
    Labels labels = of(names, descriptions);
    return weights.isEmpty() ? labels : labels.withWeights(weights);
  }

  private static double weight(Path path, String text) {
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException _) {
      throw new InputException(path + ": the third column must be a weight, such as 0.2");
    }
  }

  /**
   * The labels that stand in the data, sorted. For owners who declare them public: one record can
   * add a label, so this is outside the guarantee and the statement must say so.
   */
  public static Labels fromData(Path path, RecordOptions options) {
    if (options.label().isEmpty()) {
      return single();
    }
    TreeSet<String> found = new TreeSet<>();
    RecordFile.scan(
        path,
        options,
        new RecordFile.Sink() {
          @Override
          public void record(long line, String label, byte[] text, byte[] user) {
            if (isUsable(label)) {
              found.add(label);
            }
            if (found.size() > MAX_LABELS) {
              throw new InputException(
                  path + ": more than " + MAX_LABELS + " labels; is this the label column?");
            }
          }

          @Override
          public void problem(long line, Problem.Kind kind) {}
        });
    return of(List.copyOf(found));
  }

  public int size() {
    return names.size();
  }

  public String name(int index) {
    return names.get(index);
  }

  public List<String> names() {
    return names;
  }

  /** The public description, if the owner gave one. */
  public Optional<String> description(int index) {
    return descriptions.get(index);
  }

  /** How many synthetic records the label gets, relative to the others; 1 unless stated. */
  public double weight(int index) {
    return weights[index];
  }

  /** Index of a name, or -1. */
  public int indexOf(String name) {
    return indices.getOrDefault(name, -1);
  }
}
