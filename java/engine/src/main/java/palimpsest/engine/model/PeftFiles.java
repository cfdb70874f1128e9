package palimpsest.engine.model;

import static palimpsest.engine.weights.ModelFileException.quote;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import palimpsest.engine.model.TensorNames.Slot;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.weights.BoundedJson;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.Safetensors;

/** What the folders of the PEFT library have in common, whatever was tuned. */
final class PeftFiles {
  static final String CONFIG = "adapter_config.json";
  static final String WEIGHTS = "adapter_model.safetensors";

  /** In front of a module's path in the names of tensors. */
  static final String PREFIX = "base_model.model.";

  private static final int MAX_CONFIG_BYTES = 1 << 20;

  private PeftFiles() {}

  /** The configuration in a folder, of a bounded size. */
  static JsonNode config(Path folder) {
    return BoundedJson.read(folder.resolve(CONFIG), MAX_CONFIG_BYTES);
  }

  static void require(Path file, boolean condition, String problem) {
    if (!condition) {
      throw new ModelFileException(file + ": " + problem);
    }
  }

  /** Refuses settings that would change the computation, unless they are absent, null or empty. */
  static void refuse(Path file, JsonNode config, List<String> settings) {
    for (String field : settings) {
      JsonNode value = config.path(field);
      boolean absent = value.isMissingNode() || value.isNull();
      require(
          file, absent || value.isContainerNode() && value.isEmpty(), field + " is not supported");
    }
  }

  /** A setting that must be an integer. */
  static int integer(Path file, JsonNode config, String field) {
    JsonNode value = config.path(field);
    require(
        file, value.isIntegralNumber() && value.canConvertToInt(), field + " is not an integer");
    return value.intValue();
  }

  /** The weights of all linear layers of all blocks. */
  static List<Slot> linears(DecoderConfig base) {
    return TensorNames.of(base).slots().stream()
        .filter(slot -> slot.role().isLinear() && !slot.bias())
        .toList();
  }

  /** The paths of the linear layers of the first block. */
  private static Map<Role, String> modules(DecoderConfig base) {
    Map<Role, String> modules = new EnumMap<>(Role.class);
    for (Slot slot : linears(base)) {
      modules.putIfAbsent(slot.role(), TensorNames.module(base, slot.role(), slot.layer()));
    }
    return modules;
  }

  /** PEFT's rule: a module is a target if its path is, or ends in a dot and, one of the names. */
  static Set<Role> targets(Path file, JsonNode names, DecoderConfig base) {
    require(file, names.isArray(), "target_modules is not a list of names");
    Map<Role, String> modules = modules(base);
    Set<Role> targets = EnumSet.noneOf(Role.class);
    for (JsonNode name : names) {
      boolean found = false;
      for (Map.Entry<Role, String> module : modules.entrySet()) {
        if (("." + module.getValue()).endsWith("." + name.asText())) {
          targets.add(module.getKey());
          found = true;
        }
      }
      require(
          file, found, "target module " + quote(name.asText()) + " is no linear layer of a block");
    }
    return targets;
  }

  /** The last word of each module's path, or the last two where one would mean several layers. */
  static List<String> targetModules(DecoderConfig base, Set<Role> targets) {
    Map<Role, String> modules = modules(base);
    List<String> names = new ArrayList<>();
    modules.forEach((role, module) -> {
      String last = module.substring(module.lastIndexOf('.') + 1);
      String lastTwo = module.substring(module.lastIndexOf('.', module.lastIndexOf('.') - 1) + 1);
      long meant = modules.values().stream().filter(m -> m.endsWith("." + last)).count();
      if (targets.contains(role)) {
        names.add(meant == 1 ? last : lastTwo);
      }
    });
    return names;
  }

  /** The tensors of a file that somebody asks for, checked as they are handed out. */
  static final class Tensors {
    private final Path file;
    private final Safetensors weights;
    private final Set<String> expected = new HashSet<>();

    Tensors(Path folder, Safetensors weights) {
      file = folder.resolve(WEIGHTS);
      this.weights = weights;
    }

    /** A tensor of that name and shape, of any real type. */
    Tensor get(String name, long... shape) {
      expected.add(name);
      require(file, weights.names().contains(name), "tensor " + quote(name) + " is missing");
      Tensor tensor = weights.tensor(name);
      require(
          file,
          Arrays.equals(tensor.shape(), shape),
          "tensor " + quote(name) + " is " + tensor + ", not " + Arrays.toString(shape));
      boolean real =
          switch (tensor.type()) {
            case F64, F32, BF16, F16 -> true;
            default -> false;
          };
      require(file, real, "tensor " + quote(name) + " is of type " + tensor.type());
      return tensor;
    }

    /** Refuses a file that holds more than was asked for. */
    void refuseOthers(String problem) {
      for (String name : weights.names()) {
        require(file, expected.contains(name), "tensor " + quote(name) + " " + problem);
      }
    }
  }
}
