package io.pbsattn.zoo.djl;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.repository.MRL;
import ai.djl.repository.zoo.BaseModelLoader;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ModelNotFoundException;
import ai.djl.repository.zoo.ZooModel;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/**
 * Loads a decoder model with nothing said about how. Options count as arguments, which DJL keeps
 * apart and hands on only to what reads parameters.
 */
public final class DecoderLoader extends BaseModelLoader {

    /**
     * Constructs a loader.
     *
     * @param mrl the model
     */
    public DecoderLoader(MRL mrl) {
        super(mrl);
    }

    /** {@inheritDoc} */
    @Override
    public <I, O> ZooModel<I, O> loadModel(Criteria<I, O> criteria)
            throws IOException, ModelNotFoundException, MalformedModelException {
        Map<String, Object> arguments = new HashMap<>(Decoders.ARGUMENTS);
        Map<String, String> options = new HashMap<>(Decoders.OPTIONS);
        if (criteria.getOptions() != null) {
            arguments.putAll(criteria.getOptions());
            options.putAll(criteria.getOptions());
        }
        if (criteria.getArguments() != null) {
            arguments.putAll(criteria.getArguments());
        }
        DecoderArguments.read(arguments);
        // DJL's default is a GPU where there is one, and models run on the CPU.
        Device device = criteria.getDevice() == null ? Device.cpu() : criteria.getDevice();
        return super.loadModel(
                criteria.toBuilder()
                        .optDevice(device)
                        .optArguments(arguments)
                        .optOptions(options)
                        .build());
    }
}
