package io.pbsattn.examples.demo;

import io.pbsattn.examples.model.DemoModel;
import io.pbsattn.examples.model.LoadedModel;
import io.pbsattn.examples.model.TextDocument;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.generate.GenerationResult;
import io.pbsattn.zoo.model.AttentionKind;
import io.pbsattn.zoo.model.ModelOptions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** The demo model finds facts at every depth of real prose, with sparse attention as with dense. */
public class RetrievalTest {

    private static final int QUESTIONS = 10;
    private static final List<String> KINDS =
            List.of(
                    "access code",
                    "locker number",
                    "ticket number",
                    "serial number",
                    "badge number",
                    "door code");
    private static final List<String> ADJECTIVES =
            List.of(
                    "amber", "silver", "quiet", "brave", "golden", "gentle", "crimson", "hollow",
                    "rapid", "solar");
    private static final List<String> ANIMALS =
            List.of(
                    "falcon", "otter", "heron", "lynx", "badger", "wolf", "raven", "tiger",
                    "beaver", "owl");

    @DataProvider
    public Object[][] lengths() {
        return new Object[][] {{4000, 9}, {8000, 8}};
    }

    private static LoadedModel open(AttentionKind kind, TorchType type) throws Exception {
        ModelOptions options = new ModelOptions().optAttention(kind).optDtype(type);
        return LoadedModel.open(DemoModel.unpack(), options);
    }

    @Test(dataProvider = "lengths")
    public void answersAreRightAndTheSame(int tokens, int required) throws Exception {
        int[] right = new int[2];
        int both = 0;
        try (LoadedModel pbs = open(AttentionKind.PBS, TorchType.FLOAT32);
                LoadedModel dense = open(AttentionKind.DENSE, TorchType.FLOAT32)) {
            for (int n = 0; n < QUESTIONS; ++n) {
                List<Fact> facts = facts(new Random(100 + n));
                // Question n is about the fact at depth n.
                Fact fact = facts.get(n);
                String document = document(pbs, facts, tokens, new Random(n));
                String message = document + TextDocument.QUESTION + fact.question();
                GenerationResult sparse = answer(pbs, message);
                Assert.assertTrue(sparse.report().density() < 0.9, "skips blocks");
                boolean sparseRight = sparse.text().contains(fact.number());
                boolean denseRight = answer(dense, message).text().contains(fact.number());
                right[0] += sparseRight ? 1 : 0;
                right[1] += denseRight ? 1 : 0;
                both += sparseRight && denseRight ? 1 : 0;
            }
        }
        Assert.assertTrue(
                both >= required,
                String.format(
                        "%d tokens: both right %d, pbs %d, dense %d",
                        tokens, both, right[0], right[1]));
    }

    /** What the demo model answers does not depend on the type that it computes in. */
    @Test
    public void answersAreTheSameInBothTypes() throws Exception {
        List<Fact> facts = facts(new Random(100));
        for (AttentionKind kind : AttentionKind.values()) {
            try (LoadedModel half = open(kind, TorchType.BFLOAT16);
                    LoadedModel full = open(kind, TorchType.FLOAT32)) {
                Assert.assertEquals(half.dtype(), TorchType.BFLOAT16.toString());
                String document = document(half, facts, 8000, new Random(1));
                for (Fact fact : facts.subList(0, 3)) {
                    String message = document + TextDocument.QUESTION + fact.question();
                    GenerationResult found = answer(half, message);
                    Assert.assertEquals(found.text(), answer(full, message).text());
                    Assert.assertTrue(found.text().contains(fact.number()), found.text());
                    if (found.reusedTokens() == 0) {
                        boolean skips = found.report().density() < 0.9;
                        Assert.assertEquals(skips, kind == AttentionKind.PBS);
                    }
                }
            }
        }
    }

    private static GenerationResult answer(LoadedModel model, String message) {
        return model.generate(message, new GenerationOptions(), "reading");
    }

    private static List<Fact> facts(Random random) {
        List<Fact> facts = new ArrayList<>();
        List<String> adjectives = new ArrayList<>(ADJECTIVES);
        List<String> animals = new ArrayList<>(ANIMALS);
        Collections.shuffle(adjectives, random);
        Collections.shuffle(animals, random);
        for (int n = 0; n < QUESTIONS; ++n) {
            String number = String.valueOf(10_000 + random.nextInt(90_000));
            facts.add(
                    new Fact(
                            KINDS.get(random.nextInt(KINDS.size())),
                            adjectives.get(n) + " " + animals.get(n),
                            number));
        }
        return facts;
    }

    /** Paragraphs of the licence from a random one on, as many as make the wanted length. */
    private static String document(LoadedModel model, List<Fact> facts, int tokens, Random random)
            throws Exception {
        List<String> all = FactDocument.paragraphs();
        int begin = random.nextInt(all.size());
        List<String> chosen = new ArrayList<>();
        int count = 0;
        for (int p = begin; count < tokens; ++p) {
            String paragraph = all.get(p % all.size());
            chosen.add(paragraph);
            count += model.countTokens(paragraph);
        }
        return FactDocument.withFacts(chosen, facts);
    }
}
