package palimpsest.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import javax.xml.stream.XMLInputFactory;
import javax.xml.stream.XMLStreamConstants;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamReader;

/**
 * Adds up JUnit XML reports (of Surefire and of ctest) for {@code palimpsest test}: names what
 * failed, names what was skipped with its reason, and closes with one line of counts.
 */
final class TestSummary {
  private static final Set<String> VERDICTS = Set.of("failure", "error", "skipped");

  private int passed;
  private final List<String> failed = new ArrayList<>();
  private final Map<String, List<String>> skippedByReason = new TreeMap<>();

  private TestSummary() {}

  /**
   * Arguments: folders of reports (a missing one counts nothing), and for each check that is no
   * unit test {@code --check name=passed}, {@code name=failed:why} or {@code name=skipped:why}.
   * Exits with 1 if anything failed or nothing ran.
   */
  public static void main(String[] args) throws IOException {
    System.exit(run(System.out, args));
  }

  static int run(PrintStream out, String... args) throws IOException {
    TestSummary summary = new TestSummary();
    for (int i = 0; i < args.length; i++) {
      if (args[i].equals("--check")) {
        summary.addCheck(args[++i]);
      } else {
        summary.addFolder(Path.of(args[i]));
      }
    }
    summary.print(out);
    return summary.failed.isEmpty() && summary.passed > 0 ? ExitCode.DONE : ExitCode.FAILED;
  }

  private void addCheck(String check) {
    String name = check.substring(0, check.indexOf('='));
    String[] verdict = check.substring(name.length() + 1).split(":", 2);
    String why = verdict.length > 1 ? verdict[1] : "";
    switch (verdict[0]) {
      case "passed" -> passed++;
      case "skipped" -> skip(name, why);
      default -> fail(name, why);
    }
  }

  private void addFolder(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return;
    }
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".xml")).sorted().toList()) {
        addReport(file);
      }
    }
  }

  private void addReport(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      XMLInputFactory factory = XMLInputFactory.newDefaultFactory();
      factory.setProperty(XMLInputFactory.SUPPORT_DTD, false);
      XMLStreamReader xml = factory.createXMLStreamReader(in);
      while (xml.hasNext()) {
        if (xml.next() == XMLStreamConstants.START_ELEMENT
            && xml.getLocalName().equals("testcase")) {
          addCase(xml);
        }
      }
    } catch (XMLStreamException e) {
      fail(file.getFileName().toString(), "unreadable test report: the test process was cut off");
    }
  }

  private void addCase(XMLStreamReader xml) throws XMLStreamException {
    String owner = xml.getAttributeValue(null, "classname");
    String name = xml.getAttributeValue(null, "name");
    String test =
        owner == null || owner.isEmpty() || owner.equals(name) ? name : owner + "." + name;
    String verdict = "passed";
    String message = "";
    while (!(xml.next() == XMLStreamConstants.END_ELEMENT
        && xml.getLocalName().equals("testcase"))) {
      if (xml.getEventType() == XMLStreamConstants.START_ELEMENT
          && VERDICTS.contains(xml.getLocalName())) {
        verdict = xml.getLocalName();
        String attribute = xml.getAttributeValue(null, "message");
        message = reason(attribute == null ? xml.getElementText() : attribute);
      }
    }
    switch (verdict) {
      case "passed" -> passed++;
      case "skipped" -> skip(test, message);
      default -> fail(test, message);
    }
  }

  private void fail(String test, String why) {
    failed.add(why.isEmpty() ? test : test + ": " + why);
  }

  /** The first line of a message or of a stack trace, without the exception's name. */
  private static String reason(String text) {
    return text.lines()
        .findFirst()
        .orElse("")
        .replaceFirst("^[\\w.$]+(Exception|Error): ", "")
        .replaceFirst("^Assumption failed: ", "");
  }

  private void skip(String test, String reason) {
    String shown = reason.isEmpty() ? "no reason given" : reason;
    skippedByReason.computeIfAbsent(shown, _ -> new ArrayList<>()).add(test);
  }

  private void print(PrintStream out) {
    if (!failed.isEmpty()) {
      out.println("Failed:");
      failed.forEach(test -> out.println("  " + test));
    }
    if (!skippedByReason.isEmpty()) {
      out.println("Skipped:");
      skippedByReason.forEach((reason, tests) -> {
        out.println("  " + reason);
        tests.forEach(test -> out.println("    " + test));
      });
    }
    int skipped = skippedByReason.values().stream().mapToInt(List::size).sum();
    out.println(passed + " passed, " + failed.size() + " failed, " + skipped + " skipped");
    out.flush();
  }
}
