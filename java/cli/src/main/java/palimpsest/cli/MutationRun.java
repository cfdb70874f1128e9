package palimpsest.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import palimpsest.cli.MutatedTree.Outcome;
import palimpsest.cli.MutatedTree.Verdict;

/**
 * {@code palimpsest test --mutations [NAME...]}: plants each fault of the folder {@code mutations}
 * in turn and demands that its test fails.
 */
final class MutationRun {
  private final PrintStream out;
  private final Map<Verdict, Integer> counts = new EnumMap<>(Verdict.class);

  private MutationRun(PrintStream out) {
    this.out = out;
  }

  /** Arguments: the checkout, then names of mutations; none stands for all. */
  public static void main(String[] args) throws IOException {
    Path root = Path.of(args[0]);
    List<Mutation> mutations = Mutation.all(root);
    List<String> wanted = List.of(args).subList(1, args.length);
    for (String name : wanted) {
      if (mutations.stream().noneMatch(mutation -> mutation.name().equals(name))) {
        System.err.println("palimpsest: there is no mutation " + name + " in mutations/");
        System.exit(ExitCode.BAD_INPUT);
      }
    }
    if (!wanted.isEmpty()) {
      mutations = mutations.stream().filter(m -> wanted.contains(m.name())).toList();
    }
    try {
      System.exit(new MutationRun(System.out).run(root, mutations));
    } catch (IOException e) {
      System.err.println("palimpsest: " + e.getMessage());
      System.exit(ExitCode.FAILED);
    }
  }

  private int run(Path root, List<Mutation> chosen) throws IOException {
    Progress.Style style =
        Boolean.getBoolean("palimpsest.terminal") ? Progress.Style.BAR : Progress.Style.LINES;
    PrintWriter err = new PrintWriter(System.err, true);
    err.println("palimpsest: building a copy and running the tests on it unchanged");
    try (MutatedTree tree = new MutatedTree(root)) {
      // An interrupted run leaves nothing behind either.
      Runtime.getRuntime().addShutdownHook(new Thread(tree::close));
      List<Mutation> mutations = chosen.stream().map(tree::own).toList();
      Map<Mutation, String> unfit = tree.baseline(mutations);
      try (Progress progress =
          new Progress(err, style, "mutations", mutations.size(), System::nanoTime)) {
        int done = 0;
        for (Mutation mutation : mutations) {
          long start = System.nanoTime();
          Outcome outcome =
              unfit.containsKey(mutation)
                  ? new Outcome(Verdict.BROKEN, unfit.get(mutation))
                  : tree.run(mutation);
          row(mutation, outcome, (System.nanoTime() - start) / 1e9);
          progress.update(++done);
        }
      }
    }
    return close(chosen.size());
  }

  private void row(Mutation mutation, Outcome outcome, double seconds) {
    counts.merge(outcome.verdict(), 1, Integer::sum);
    String verdict = outcome.verdict() == Verdict.KILLED ? "killed" : outcome.verdict().toString();
    out.printf("%-36s %-72s %-8s %4.0f s%n", mutation.name(), mutation.test(), verdict, seconds);
    if (outcome.verdict() != Verdict.KILLED) {
      out.println("  " + (outcome.why().isEmpty() ? mutation.what() : outcome.why()));
    }
    out.flush();
  }

  private int close(int all) {
    int killed = counts.getOrDefault(Verdict.KILLED, 0);
    out.printf(
        "%d mutations: %d killed, %d survived, %d broken%n",
        all,
        killed,
        counts.getOrDefault(Verdict.SURVIVED, 0),
        counts.getOrDefault(Verdict.BROKEN, 0));
    return killed == all && all > 0 ? ExitCode.DONE : ExitCode.FAILED;
  }
}
