package palimpsest.engine.weights;

import static palimpsest.engine.weights.ModelFileException.quote;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import palimpsest.engine.tensor.Tensor;

/**
 * The weights of a model folder: {@code model.safetensors}, or the shards that {@code
 * model.safetensors.index.json} lists. A shard is a regular file of the folder itself, never a path
 * out of it and never a link; each tensor stands in exactly one.
 */
public final class SafetensorsFolder implements TensorSource {
  public static final String SINGLE = "model.safetensors";
  public static final String INDEX = "model.safetensors.index.json";
  private static final int MAX_INDEX_BYTES = 16 << 20;
  private static final int MAX_SHARDS = 1000;
  private static final Pattern SHARD_NAME = Pattern.compile("[A-Za-z0-9._-]+\\.safetensors");

  private final Path folder;
  private final Map<String, Safetensors> shardOf;
  private final Map<String, Safetensors> shards;

  private SafetensorsFolder(
      Path folder, Map<String, Safetensors> shardOf, Map<String, Safetensors> shards) {
    this.folder = folder;
    this.shardOf = shardOf;
    this.shards = shards;
  }

  /**
   * Maps every weight file of a folder.
   *
   * @throws ModelFileException if there is none, or one breaks a rule
   */
  public static SafetensorsFolder open(Path folder) {
    Map<String, Safetensors> shards = new TreeMap<>();
    try {
      if (Files.isRegularFile(folder.resolve(SINGLE))) {
        return single(folder, shards);
      }
      if (Files.isRegularFile(folder.resolve(INDEX))) {
        return sharded(folder, shards);
      }
    } catch (RuntimeException e) {
      shards.values().forEach(Safetensors::close);
      throw e;
    }
    throw new ModelFileException(folder + ": holds neither " + SINGLE + " nor " + INDEX);
  }

  private static SafetensorsFolder single(Path folder, Map<String, Safetensors> shards) {
    Safetensors file = Safetensors.open(folder.resolve(SINGLE));
    shards.put(SINGLE, file);
    Map<String, Safetensors> shardOf = new LinkedHashMap<>();
    file.names().forEach(name -> shardOf.put(name, file));
    return new SafetensorsFolder(folder, shardOf, shards);
  }

  private static SafetensorsFolder sharded(Path folder, Map<String, Safetensors> shards) {
    Path index = folder.resolve(INDEX);
    JsonNode map = BoundedJson.read(index, MAX_INDEX_BYTES).get("weight_map");
    if (map == null || !map.isObject()) {
      throw new ModelFileException(index + ": no object weight_map");
    }
    Map<String, Safetensors> shardOf = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> entry : map.properties()) {
      String shard = shardName(index, entry.getValue());
      if (!shards.containsKey(shard)) {
        if (shards.size() == MAX_SHARDS) {
          throw new ModelFileException(index + ": more than " + MAX_SHARDS + " shards");
        }
        shards.put(shard, openShard(folder, shard));
      }
      if (!shards.get(shard).names().contains(entry.getKey())) {
        throw new ModelFileException(
            index + ": " + shard + " has no tensor " + quote(entry.getKey()));
      }
      shardOf.put(entry.getKey(), shards.get(shard));
    }
    shards.forEach((name, shard) -> refuseUnlisted(index, name, shard, shardOf));
    return new SafetensorsFolder(folder, shardOf, shards);
  }

  private static String shardName(Path index, JsonNode value) {
    if (!value.isTextual() || !SHARD_NAME.matcher(value.textValue()).matches()) {
      throw new ModelFileException(
          index + ": " + quote(value.asText()) + " is not a plain name ending in .safetensors");
    }
    return value.textValue();
  }

  private static Safetensors openShard(Path folder, String shard) {
    Path file = folder.resolve(shard);
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
      throw new ModelFileException(
          folder.resolve(INDEX) + ": shard " + shard + " is no regular file of that folder");
    }
    return Safetensors.open(file);
  }

  private static void refuseUnlisted(
      Path index, String name, Safetensors shard, Map<String, Safetensors> shardOf) {
    for (String tensor : shard.names()) {
      if (shardOf.get(tensor) != shard) {
        throw new ModelFileException(
            index + ": tensor " + quote(tensor) + " of " + name + " is not listed as its own");
      }
    }
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(shardOf.keySet());
  }

  @Override
  public long[] shape(String name) {
    return shard(name).shape(name);
  }

  @Override
  public Tensor tensor(String name) {
    return shard(name).tensor(name);
  }

  private Safetensors shard(String name) {
    Safetensors shard = shardOf.get(name);
    if (shard == null) {
      throw new ModelFileException(folder + ": no tensor " + quote(name));
    }
    return shard;
  }

  /** The metadata of the single file; of shards, the first one's. */
  @Override
  public Map<String, String> metadata() {
    return shards.isEmpty() ? Map.of() : shards.values().iterator().next().metadata();
  }

  @Override
  public void close() {
    shards.values().forEach(Safetensors::close);
  }
}
