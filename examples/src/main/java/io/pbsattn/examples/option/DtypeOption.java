package io.pbsattn.examples.option;

import io.pbsattn.torch.TorchType;
import picocli.CommandLine.Option;

/** The option {@code --dtype} of a model: what it computes in. */
public final class DtypeOption {

    @Option(
            names = "--dtype",
            converter = ModelDtype.class,
            description =
                    "float32 or bfloat16; default: bfloat16 for weights stored in it where the CPU"
                            + " multiplies it, else float32.")
    private TorchType dtype;

    /** Returns the type that was asked for; null for the default. */
    public TorchType get() {
        return dtype;
    }
}
