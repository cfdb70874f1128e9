package palimpsest.engine.model;

import static palimpsest.engine.model.PeftFiles.require;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import palimpsest.engine.model.TensorNames.Slot;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.Safetensors;

/**
 * A low-rank adapter (Hu et al. 2021) on disk, in the format of the PEFT library:
 * adapter_config.json and adapter_model.safetensors, so that it loads elsewhere.
 *
 * <p>Opened, every factor has been checked against the base model. The numbers are mapped; tensors
 * end with {@link #close}.
 */
public final class AdapterFolder implements AutoCloseable {
  public static final String CONFIG = PeftFiles.CONFIG;
  public static final String WEIGHTS = PeftFiles.WEIGHTS;

  /** The peft_type. */
  static final String TYPE = "LORA";

  private static final int MAX_RANK = 4096;

  /**
   * What is public of an adapter.
   *
   * @param rank r
   * @param alpha the product is scaled by alpha / r
   * @param rankStabilised by alpha / sqrt(r) instead (Kalajdzievski 2023)
   * @param targets the linear layers that have one, the same in every block
   * @param baseModel name or place of the base model
   */
  public record Settings(
      int rank, double alpha, boolean rankStabilised, Set<Role> targets, String baseModel) {
    public Settings {
      if (rank < 1 || rank > MAX_RANK) {
        throw new ModelFileException("adapter rank " + rank + " is not in 1 .. " + MAX_RANK);
      }
      if (!(alpha > 0 && alpha < 1e6)) {
        throw new ModelFileException("adapter alpha " + alpha + " is not in (0, 1e6)");
      }
      targets = targets.isEmpty() ? Set.of() : Set.copyOf(EnumSet.copyOf(targets));
      if (targets.isEmpty() || !targets.stream().allMatch(Role::isLinear)) {
        throw new ModelFileException("an adapter needs linear layers as targets");
      }
    }

    /** The factor of B A. */
    public double scale() {
      return alpha / (rankStabilised ? Math.sqrt(rank) : rank);
    }
  }

  /**
   * The two factors of one layer: y = W x + scale * B (A x).
   *
   * @param a [r, in]
   * @param b [out, r]
   */
  public record Factors(Tensor a, Tensor b) {}

  /** Gives the factors of an adapter that is to be written. */
  @FunctionalInterface
  public interface Values {
    Factors get(Role role, int layer);
  }

  private record Key(Role role, int layer) {}

  private final Path path;
  private final Settings settings;
  private final Safetensors weights;
  private final Map<Key, Factors> factors = new HashMap<>();

  private AdapterFolder(Path path, Settings settings, Safetensors weights) {
    this.path = path;
    this.settings = settings;
    this.weights = weights;
  }

  /**
   * Opens an adapter for a base model.
   *
   * @throws ModelFileException if a file is missing or malformed, does not fit the base model, or
   *     uses something of PEFT that would change the computation and is not supported
   */
  public static AdapterFolder open(Path path, DecoderConfig base) {
    Path file = path.resolve(CONFIG);
    Settings settings = settings(file, PeftFiles.config(path), base);
    Safetensors weights = Safetensors.open(path.resolve(WEIGHTS));
    try {
      AdapterFolder folder = new AdapterFolder(path, settings, weights);
      folder.check(base);
      return folder;
    } catch (RuntimeException e) {
      weights.close();
      throw e;
    }
  }

  private static Settings settings(Path file, JsonNode json, DecoderConfig base) {
    require(file, json.path("peft_type").asText().equals(TYPE), "peft_type is not LORA");
    require(file, json.path("bias").asText("none").equals("none"), "bias is not none");
    require(file, !json.path("use_dora").asBoolean(false), "use_dora is not supported");
    PeftFiles.refuse(
        file,
        json,
        List.of(
            "rank_pattern",
            "alpha_pattern",
            "modules_to_save",
            "layers_to_transform",
            "exclude_modules",
            "layer_replication"));
    int rank = PeftFiles.integer(file, json, "r");
    JsonNode alpha = json.path("lora_alpha");
    require(file, alpha.isNumber(), "lora_alpha is not a number");
    try {
      return new Settings(
          rank,
          alpha.doubleValue(),
          json.path("use_rslora").asBoolean(false),
          PeftFiles.targets(file, json.path("target_modules"), base),
          json.path("base_model_name_or_path").asText(""));
    } catch (ModelFileException e) {
      throw e.in(file);
    }
  }

  private void check(DecoderConfig base) {
    PeftFiles.Tensors tensors = new PeftFiles.Tensors(path, weights);
    for (Slot slot : PeftFiles.linears(base)) {
      if (settings.targets.contains(slot.role())) {
        Tensor a = tensors.get(name(base, slot, "A"), settings.rank, inputs(slot));
        Tensor b = tensors.get(name(base, slot, "B"), outputs(slot), settings.rank);
        factors.put(new Key(slot.role(), slot.layer()), new Factors(a, b));
      }
    }
    tensors.refuseOthers("is no factor of a target module");
  }

  public Settings settings() {
    return settings;
  }

  /**
   * The factors of a target, as stored.
   *
   * @throws IllegalArgumentException if that layer has no adapter
   */
  public Factors factors(Role role, int layer) {
    Factors found = factors.get(new Key(role, layer));
    if (found == null) {
      throw new IllegalArgumentException("the adapter has no " + role + " in layer " + layer);
    }
    return found;
  }

  /**
   * Writes an adapter, whole or not at all.
   *
   * @param path must not exist yet
   * @param values factors of every target in every layer, any real type
   * @throws IllegalArgumentException if a factor has another shape than the base model asks for
   * @throws ModelFileException if it cannot be written
   */
  public static void write(Path path, DecoderConfig base, Settings settings, Values values) {
    LinkedHashMap<String, Tensor> tensors = new LinkedHashMap<>();
    for (Slot slot : PeftFiles.linears(base)) {
      if (!settings.targets.contains(slot.role())) {
        continue;
      }
      Factors given = values.get(slot.role(), slot.layer());
      put(tensors, name(base, slot, "A"), given.a, settings.rank, inputs(slot));
      put(tensors, name(base, slot, "B"), given.b, outputs(slot), settings.rank);
    }
    byte[] config = ConfigWriter.bytes(config(base, settings));
    AtomicFiles.folder(
        path,
        folder -> {
          AtomicFiles.file(folder.resolve(CONFIG), config);
          Safetensors.write(folder.resolve(WEIGHTS), tensors, Map.of("format", "pt"));
        });
  }

  private static void put(
      Map<String, Tensor> tensors, String name, Tensor tensor, long rows, long cols) {
    if (tensor.rows() != rows || tensor.cols() != cols) {
      throw new IllegalArgumentException(
          name + " is " + tensor + ", not [" + rows + ", " + cols + "]");
    }
    tensors.put(name, tensor);
  }

  private static ObjectNode config(DecoderConfig base, Settings settings) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("peft_type", TYPE);
    json.put("task_type", "CAUSAL_LM");
    json.put("base_model_name_or_path", settings.baseModel);
    json.put("r", settings.rank);
    if (settings.alpha == Math.rint(settings.alpha)) {
      json.put("lora_alpha", (long) settings.alpha);
    } else {
      json.put("lora_alpha", settings.alpha);
    }
    json.put("lora_dropout", 0.0);
    json.put("use_rslora", settings.rankStabilised);
    json.put("bias", "none");
    json.put("fan_in_fan_out", base.family().equals("gpt2"));
    json.put("inference_mode", true);
    json.put("init_lora_weights", true);
    json.putNull("modules_to_save");
    PeftFiles.targetModules(base, settings.targets).forEach(json.putArray("target_modules")::add);
    return json;
  }

  private static String name(DecoderConfig base, Slot slot, String factor) {
    return PeftFiles.PREFIX
        + TensorNames.module(base, slot.role(), slot.layer())
        + ".lora_"
        + factor
        + ".weight";
  }

  private static long inputs(Slot slot) {
    return slot.shape()[slot.inputMajor() ? 0 : 1];
  }

  private static long outputs(Slot slot) {
    return slot.shape()[slot.inputMajor() ? 1 : 0];
  }

  @Override
  public void close() {
    weights.close();
  }
}
