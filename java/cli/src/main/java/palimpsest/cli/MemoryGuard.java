package palimpsest.cli;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Keeps commands that read private records, those with {@link DataOptions}, from a virtual machine
 * that would write its memory to a file or show it to other programs. The launcher sets the flags;
 * options that were added to it, or another way of starting, may have undone them.
 */
final class MemoryGuard {
  /** Flags that such a command needs, with their values. */
  static final Map<String, String> FLAGS =
      Map.of(
          "CreateCoredumpOnCrash", "false",
          "DisableAttachMechanism", "true",
          "HeapDumpAfterFullGC", "false",
          "HeapDumpBeforeFullGC", "false",
          "HeapDumpOnOutOfMemoryError", "false",
          "UsePerfData", "false");

  private MemoryGuard() {}

  /** Why the command must not run here, in one line; empty if it may. */
  static Optional<String> refusal(CommandSpec command) {
    if (command.mixins().values().stream()
        .noneMatch(mixin -> mixin.userObject() instanceof DataOptions)) {
      return Optional.empty();
    }
    HotSpotDiagnosticMXBean machine =
        ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
    return new TreeMap<>(FLAGS)
        .entrySet().stream()
            .filter(flag -> !machine.getVMOption(flag.getKey()).getValue().equals(flag.getValue()))
            .map(flag -> option(flag.getKey(), flag.getValue()))
            .findFirst()
            .map(option ->
                "this Java can write private records in its memory to a file, or show them to other"
                    + " programs; start it by ./palimpsest, without changing "
                    + option);
  }

  /** The flag as an option of the java command. */
  static String option(String flag, String value) {
    return "-XX:" + (value.equals("true") ? '+' : '-') + flag;
  }
}
