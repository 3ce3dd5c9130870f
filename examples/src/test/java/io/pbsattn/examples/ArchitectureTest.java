package io.pbsattn.examples;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.syntax.ArchRuleDefinition;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.util.Arrays;
import org.testng.Assert;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** The house's rules; docs/architecture.md draws it. */
public class ArchitectureTest {

    /** What the command line holds, which nothing else may know. */
    private static final String EXAMPLES = "io.pbsattn.examples..";

    private static final String ZOO = "io.pbsattn.zoo..";

    private JavaClasses classes;

    @BeforeClass
    public void read() {
        classes =
                new ClassFileImporter()
                        .withImportOption(new ImportOption.DoNotIncludeTests())
                        .importPackages("io.pbsattn");
        Assert.assertTrue(classes.contain("io.pbsattn.PbsAttention"));
        Assert.assertTrue(classes.contain("io.pbsattn.langchain4j.PbsChatModel"));
    }

    /**
     * Rooms of one floor form no cycle. The package {@code io.pbsattn} itself, the operator's
     * public face, is no room: each backend takes its values, and it finds them by their interface.
     */
    @DataProvider
    public Object[][] floors() {
        return new Object[][] {
            {"io.pbsattn.(*).."},
            {"io.pbsattn.backend.(*).."},
            {"io.pbsattn.zoo.(*).."},
            {"io.pbsattn.examples.(*).."},
        };
    }

    @Test(dataProvider = "floors")
    public void roomsFormNoCycle(String floor) {
        SlicesRuleDefinition.slices().matching(floor).should().beFreeOfCycles().check(classes);
    }

    /** Each line: a room, what it may not know, and why. */
    @DataProvider
    public Object[][] walls() {
        return new Object[][] {
            wall(
                    "arrows run one way",
                    names("io.pbsattn.zoo.."),
                    names(EXAMPLES, "io.pbsattn.langchain4j..")),
            wall(
                    "the operator knows no model",
                    operator(),
                    names(ZOO, EXAMPLES, "io.pbsattn.langchain4j..")),
            wall(
                    "files are tensors, whoever reads them",
                    zoo("checkpoint"),
                    zoo("model", "text", "generate", "djl", "hub", "jinja")),
            wall(
                    "a model takes ids and tensors",
                    zoo("model"),
                    zoo("text", "generate", "djl", "hub", "jinja")),
            wall(
                    "a model takes no translator or tokenizer",
                    zoo("model"),
                    names("ai.djl.translate..", "ai.djl.huggingface..")),
            wall("text knows no model", zoo("text"), zoo("model", "generate", "djl", "hub")),
            wall(
                    "a template knows strings and values",
                    zoo("jinja"),
                    zoo("checkpoint", "model", "text", "generate", "djl", "hub")),
            wall("generation is no translator", zoo("generate"), zoo("djl", "hub", "jinja")),
            wall(
                    "the zoo knows attention, not backends",
                    names(ZOO),
                    names("io.pbsattn.backend..")),
            wall("the zoo knows no kernels", names(ZOO), names("io.pbsattn.kernels..")),
            wall(
                    "layers know matrices, not attention's backends",
                    names("io.pbsattn.layer.."),
                    names("io.pbsattn.backend..")),
            wall(
                    "libtorch's C functions know nothing of ours",
                    names("io.pbsattn.torch.."),
                    names(
                            "io.pbsattn.layer..",
                            "io.pbsattn.backend..",
                            "io.pbsattn.kernels..",
                            "io.pbsattn.torchscript..")),
            wall(
                    "options know no command",
                    names("io.pbsattn.examples.option.."),
                    names("io.pbsattn.examples.command..")),
        };
    }

    @Test(dataProvider = "walls")
    public void roomsKnowWhatTheyMay(String why, String[] room, String[] unknown) {
        ArchRule rule =
                ArchRuleDefinition.noClasses()
                        .that()
                        .resideInAnyPackage(room)
                        .should()
                        .dependOnClassesThat()
                        .resideInAnyPackage(unknown)
                        .because(why);
        rule.check(classes);
    }

    @DataProvider
    public Object[][] backends() {
        return new Object[][] {{"reference"}, {"cpu"}, {"cuda"}};
    }

    /** A backend is found as a service; only its own package names its classes. */
    @Test(dataProvider = "backends")
    public void nobodyNamesBackend(String backend) {
        String own = "io.pbsattn.backend." + backend + "..";
        ArchRuleDefinition.noClasses()
                .that()
                .resideOutsideOfPackage(own)
                .should()
                .dependOnClassesThat()
                .resideInAPackage(own)
                .check(classes);
    }

    private static Object[] wall(String why, String[] room, String[] unknown) {
        return new Object[] {why, room, unknown};
    }

    private static String[] names(String... packages) {
        return packages;
    }

    private static String[] zoo(String... rooms) {
        return Arrays.stream(rooms).map(r -> "io.pbsattn.zoo." + r + "..").toArray(String[]::new);
    }

    private static String[] operator() {
        return names(
                "io.pbsattn",
                "io.pbsattn.block..",
                "io.pbsattn.backend..",
                "io.pbsattn.kernels..",
                "io.pbsattn.layer..",
                "io.pbsattn.torch..",
                "io.pbsattn.torchscript..",
                "io.pbsattn.util..");
    }
}
