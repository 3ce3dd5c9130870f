package io.pbsattn.examples.option;

import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.model.ModelOptions;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads the type that a model computes in; one that no model computes in is wrong usage. */
public final class ModelDtype implements ITypeConverter<TorchType> {

    /** {@inheritDoc} */
    @Override
    public TorchType convert(String value) {
        try {
            return new ModelOptions().optDtype(TorchType.parse(value)).dtype();
        } catch (IllegalArgumentException e) {
            throw new TypeConversionException(
                    "expected float32 or bfloat16, found '" + value + "'");
        }
    }
}
