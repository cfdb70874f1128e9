package palimpsest.synth.demo;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import palimpsest.synth.SplitMix64;

/**
 * A context-free grammar with weights, read from text; the head of {@code grammar.txt} tells the
 * notation. Reading checks that every rule named is there, that every rule is used, and that no
 * rule leads back to itself, so that an expansion always ends.
 */
final class Grammar {

  /** A piece of an alternative. */
  private sealed interface Node {}

  private record Text(String text) implements Node {}

  /** A rule by name; bound: drawn once a message. A name with a leading dot is the label's own. */
  private record Reference(String rule, boolean bound) implements Node {}

  private record Choice(List<List<Node>> options) implements Node {}

  private record Number(int low, int high) implements Node {}

  /** The alternatives of a rule; one of weight w stands in the list w times. */
  private record Rule(List<List<Node>> alternatives) {}

  private final Map<String, Rule> rules;

  private Grammar(Map<String, Rule> rules) {
    this.rules = rules;
  }

  /**
   * Reads a grammar.
   *
   * @param source the whole text, in the notation of {@code grammar.txt}
   * @param labels the labels that {@code {.name}} can stand for
   * @param roots the rules that an expansion may start from
   * @throws DemoDataException with the line or the rule at fault
   */
  static Grammar parse(String source, List<String> labels, Set<String> roots) {
    Map<String, List<List<Node>>> rules = new LinkedHashMap<>();
    List<List<Node>> open = null;
    int number = 0;
    for (String raw : source.split("\n", -1)) {
      number++;
      String line = raw.strip();
      if (line.isEmpty() || line.startsWith("#")) {
        continue;
      }
      if (line.startsWith("[") && line.endsWith("]")) {
        open = new ArrayList<>();
        if (rules.put(line.substring(1, line.length() - 1), open) != null) {
          throw new DemoDataException("grammar line " + number + ": rule " + line + " again");
        }
      } else if (open == null) {
        throw new DemoDataException("grammar line " + number + ": text before the first [rule]");
      } else {
        addAlternatives(line, number, open);
      }
    }
    Map<String, Rule> finished = new HashMap<>();
    rules.forEach((name, alternatives) -> finished.put(name, new Rule(alternatives)));
    Grammar grammar = new Grammar(finished);
    grammar.check(labels, roots);
    return grammar;
  }

  private static void addAlternatives(String line, int number, List<List<Node>> open) {
    int weight = 1;
    if (line.startsWith("*")) {
      int blank = line.indexOf(' ');
      weight = Integer.parseInt(line.substring(1, blank));
      line = line.substring(blank + 1).strip();
    }
    for (List<Node> alternative : new Reader(line, number).line()) {
      for (int i = 0; i < weight; i++) {
        open.add(alternative);
      }
    }
  }

  /** Recursive descent over one line. */
  private static final class Reader {
    private final String line;
    private final int number;
    private int at;

    Reader(String line, int number) {
      this.line = line;
      this.number = number;
    }

    /** The alternatives of a line, parted by bars that stand outside braces. */
    List<List<Node>> line() {
      List<List<Node>> alternatives = options();
      if (at < line.length()) {
        throw new DemoDataException("grammar line " + number + ": } without {");
      }
      return alternatives.stream().map(Reader::strip).toList();
    }

    private List<List<Node>> options() {
      List<List<Node>> options = new ArrayList<>();
      List<Node> current = new ArrayList<>();
      StringBuilder text = new StringBuilder();
      while (at < line.length() && line.charAt(at) != '}') {
        char c = line.charAt(at++);
        if (c == '|' || c == '{') {
          flush(text, current);
        }
        switch (c) {
          case '|' -> {
            options.add(current);
            current = new ArrayList<>();
          }
          case '{' -> current.add(braces());
          default -> text.append(c);
        }
      }
      flush(text, current);
      options.add(current);
      return options;
    }

    private Node braces() {
      int start = at;
      List<List<Node>> options = options();
      if (at == line.length()) {
        throw new DemoDataException("grammar line " + number + ": { without }");
      }
      String inside = line.substring(start, at++);
      if (inside.contains("|")) {
        return new Choice(options);
      }
      if (inside.startsWith("#")) {
        String[] bounds = inside.substring(1).split("-");
        return new Number(Integer.parseInt(bounds[0]), Integer.parseInt(bounds[1]));
      }
      boolean bound = inside.startsWith("@");
      return new Reference(bound ? inside.substring(1) : inside, bound);
    }

    private static void flush(StringBuilder text, List<Node> into) {
      if (!text.isEmpty()) {
        into.add(new Text(text.toString()));
        text.setLength(0);
      }
    }

    private static List<Node> strip(List<Node> nodes) {
      List<Node> stripped = new ArrayList<>(nodes);
      if (!nodes.isEmpty() && stripped.getFirst() instanceof Text(String text)) {
        stripped.set(0, new Text(text.stripLeading()));
      }
      if (!nodes.isEmpty() && stripped.getLast() instanceof Text(String text)) {
        stripped.set(stripped.size() - 1, new Text(text.stripTrailing()));
      }
      return List.copyOf(stripped);
    }
  }

  private void check(List<String> labels, Set<String> roots) {
    Set<String> reached = new HashSet<>();
    for (String label : labels) {
      Set<String> byLabel = new HashSet<>();
      for (String root : roots) {
        visit(root, label, byLabel, new ArrayList<>());
      }
      reached.addAll(byLabel);
    }
    for (String rule : rules.keySet()) {
      if (!reached.contains(rule)) {
        throw new DemoDataException("grammar: rule [" + rule + "] is never used");
      }
    }
  }

  private void visit(String name, String label, Set<String> reached, List<String> path) {
    String rule = resolve(name, label);
    if (path.contains(rule)) {
      throw new DemoDataException("grammar: rule [" + rule + "] leads back to itself");
    }
    Rule found = rules.get(rule);
    if (found == null || found.alternatives().isEmpty()) {
      throw new DemoDataException("grammar: rule [" + rule + "] is missing or empty");
    }
    if (reached.add(rule)) {
      path.add(rule);
      found.alternatives().forEach(nodes -> visit(nodes, label, reached, path));
      path.removeLast();
    }
  }

  private void visit(List<Node> nodes, String label, Set<String> reached, List<String> path) {
    for (Node node : nodes) {
      switch (node) {
        case Reference(String rule, boolean _) -> visit(rule, label, reached, path);
        case Choice(List<List<Node>> options) ->
            options.forEach(option -> visit(option, label, reached, path));
        case Text _, Number _ -> {}
      }
    }
  }

  private static String resolve(String name, String label) {
    return name.startsWith(".") ? label + name : name;
  }

  /**
   * Draws one text.
   *
   * @param root the rule to start from
   * @param label what {@code {.name}} stands for
   * @return the raw text: spacing and capitals are as the grammar has them
   */
  String expand(String root, String label, SplitMix64 random) {
    StringBuilder out = new StringBuilder();
    new Expansion(label, random, new HashMap<>()).rule(root, out);
    return out.toString();
  }

  /** One message in the making: its label, and the draws it has bound so far. */
  private final class Expansion {
    private final String label;
    private final SplitMix64 random;
    private final Map<String, String> bound;

    Expansion(String label, SplitMix64 random, Map<String, String> bound) {
      this.label = label;
      this.random = random;
      this.bound = bound;
    }

    void rule(String name, StringBuilder out) {
      nodes(random.pick(rules.get(resolve(name, label)).alternatives()), out);
    }

    private void nodes(List<Node> nodes, StringBuilder out) {
      for (Node node : nodes) {
        switch (node) {
          case Text(String text) -> out.append(text);
          case Reference(String rule, boolean once) -> {
            if (once) {
              out.append(boundTo(rule));
            } else {
              rule(rule, out);
            }
          }
          case Choice(List<List<Node>> options) -> nodes(random.pick(options), out);
          case Number(int low, int high) -> out.append(low + random.nextInt(high - low + 1));
        }
      }
    }

    private String boundTo(String rule) {
      String known = bound.get(rule);
      if (known == null) {
        StringBuilder drawn = new StringBuilder();
        rule(rule, drawn);
        known = drawn.toString();
        bound.put(rule, known);
      }
      return known;
    }
  }
}
