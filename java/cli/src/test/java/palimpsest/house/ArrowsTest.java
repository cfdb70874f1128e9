package palimpsest.house;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import palimpsest.house.planted.downstairs.Lower;
import palimpsest.house.planted.upstairs.Upper;
import palimpsest.synth.text.TokenizerTrainer;

/** Imports point one way, and only the command line prints or ends the process. */
class ArrowsTest {
  /** The rooms of the house; engine's own package holds what all its rooms share. */
  private static final Arrows HOUSE =
      new Arrows(
          Map.ofEntries(
              Map.entry("palimpsest.engine", 0),
              Map.entry("palimpsest.engine.parallel", 1),
              Map.entry("palimpsest.engine.tensor", 1),
              Map.entry("palimpsest.engine.weights", 2),
              Map.entry("palimpsest.engine.kernel", 2),
              Map.entry("palimpsest.engine.model", 3),
              Map.entry("palimpsest.engine.generate", 4),
              Map.entry("palimpsest.engine.train", 5),
              // A stranger to every room of the engine: neither may use the other.
              Map.entry("palimpsest.privacy", 5),
              Map.entry("palimpsest.synth", 6),
              Map.entry("palimpsest.cli", 7)));

  /**
   * Rooms that may not use privacy although their floor would allow it, and the other way round.
   */
  private static final List<String> MODULES = List.of("palimpsest.privacy", "palimpsest.engine");

  private static JavaClasses ours;

  @BeforeAll
  static void readClassFiles() {
    JavaClasses found =
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("palimpsest");
    // Of a class that lies on the class path twice, the one that is loaded.
    ClassLoader loader = ArrowsTest.class.getClassLoader();
    ours =
        new ClassFileImporter()
            .importUrls(
                found.stream()
                    .map(c -> loader.getResource(c.getName().replace('.', '/') + ".class"))
                    .toList());
    for (String module : List.of("privacy", "engine", "synth", "cli")) {
      assertTrue(
          module.equals("synth")
              || ours.stream().anyMatch(c -> c.getName().startsWith("palimpsest." + module + ".")),
          "no class of " + module + " was read");
    }
  }

  @Test
  void noImportPointsUpward() {
    assertEquals(List.of(), HOUSE.violations(ours, "palimpsest"));
  }

  @Test
  void privacyAndEngineAreStrangers() {
    List<String> violations =
        ours.stream()
            .flatMap(c -> c.getDirectDependenciesFromSelf().stream())
            .filter(d ->
                MODULES.stream().anyMatch(m -> d.getOriginClass().getName().startsWith(m + "."))
                    && MODULES.stream()
                        .anyMatch(m -> d.getTargetClass().getName().startsWith(m + "."))
                    && module(d.getOriginClass()) != module(d.getTargetClass()))
            .map(d -> d.getOriginClass().getName() + " uses " + d.getTargetClass().getName())
            .distinct()
            .toList();
    assertEquals(List.of(), violations);
  }

  private static int module(JavaClass type) {
    return type.getName().startsWith(MODULES.getFirst()) ? 0 : 1;
  }

  @Test
  void onlyTheCommandLineEndsTheProcessOrPrints() {
    List<String> violations =
        ours.stream()
            .filter(type -> !type.getPackageName().startsWith("palimpsest.cli"))
            .flatMap(ArrowsTest::exitsAndPrints)
            .toList();
    assertEquals(List.of(), violations);
  }

  private static Stream<String> exitsAndPrints(JavaClass type) {
    return type.getAccessesFromSelf().stream()
        .filter(ArrowsTest::isExitOrPrint)
        .map(access -> type.getName() + " uses " + access.getTarget().getFullName())
        .sorted();
  }

  private static boolean isExitOrPrint(JavaAccess<?> access) {
    String owner = access.getTargetOwner().getName();
    String name = access.getTarget().getName();
    return switch (owner) {
      case "java.lang.System" -> List.of("out", "err", "exit").contains(name);
      case "java.lang.Runtime" -> List.of("exit", "halt").contains(name);
      case "java.lang.IO" -> List.of("print", "println").contains(name);
      default -> name.equals("printStackTrace") && access.getTarget().getFullName().endsWith("()");
    };
  }

  /** Tokens are pieces of what the trainer reads, so only commands for public text may use it. */
  @Test
  void noClassThatHandlesRecordsTrainsATokenizer() {
    assertEquals(List.of("palimpsest.cli.PretrainCommand"), usersOf(ours, TokenizerTrainer.class));
  }

  /**
   * Names of all classes that use the type, but for itself and what is nested in it; nor does this
   * test count, wherever it was compiled to.
   */
  private static List<String> usersOf(JavaClasses classes, Class<?> type) {
    return classes.get(type).getDirectDependenciesToSelf().stream()
        .map(dependency -> dependency.getOriginClass().getName())
        .filter(user -> !user.equals(type.getName()) && !user.startsWith(type.getName() + "$"))
        .filter(user -> !user.startsWith(ArrowsTest.class.getName()))
        .distinct()
        .sorted()
        .toList();
  }

  @Test
  void theRulesFindWhatIsPlanted() {
    JavaClasses planted = new ClassFileImporter().importClasses(Upper.class, Lower.class);
    String at = "palimpsest.house.planted";
    Arrows floors = new Arrows(Map.of(at + ".upstairs", 2, at + ".downstairs", 1));
    assertEquals(
        List.of(at + ".downstairs.Lower uses " + at + ".upstairs.Upper"),
        floors.violations(planted, at));
    assertEquals(
        List.of(at + ".downstairs.Lower is in no room of the house"),
        new Arrows(Map.of(at + ".upstairs", 2)).violations(planted, at));
    assertEquals(
        List.of(
            at + ".upstairs.Upper uses java.lang.System.err",
            at + ".upstairs.Upper uses java.lang.System.exit(int)"),
        exitsAndPrints(planted.get(Upper.class)).toList());
    assertEquals(List.of(at + ".downstairs.Lower"), usersOf(planted, Upper.class));
  }
}
