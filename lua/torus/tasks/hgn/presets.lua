--- The presets of an HGN's training: values found by experiments.
-- @module torus.tasks.hgn.presets
local gauss_newton = require "torus.models.hgn.gauss_newton"
local hgn = require "torus.models.hgn"
local options = require "torus.options"
local render = require "torus.systems.parts.render"
local sequences = require "torus.tasks.sequences"
local stages = require "torus.tasks.hgn.stages"

local M = {}

-- Found by experiments:
-- - With PyTorch's default initialisation the second derivatives of K and V are about 1e-6:
--   nothing moves, and the gradients of a rollout vanish. With `energy_gain` the untrained
--   latent state oscillates about as fast as a pendulum; see torus.models.parts.energy for
--   `energy_init`.
-- - With a growing horizon the model learns the picture first, then the motion.
-- - `input_gain` is needed because a disc covers a small part of a frame.
-- - Without the decoder's skips the picture is learned in half the steps.
local LEARNS = { skip = false, background = render.grey, init = "kaiming",
  input_gain = 8, energy_init = "oscillator", energy_gain = 4.3, lr = 1e-3,
  warmup = 30, lr_decay = "cosine", horizon_start = 3, horizon_steps = 600,
  kl_warmup = 1000, max_gradient = 0.02 }

-- Half as wide as the paper's model, with four frames decoded per step.
local SMALL = options.joined(LEARNS, { width = 32, decode_frames = 4 })

--- Changes that make samples from the prior look like the data: a small latent, and a weight
-- of the divergence close to that in the evidence lower bound of a whole sequence whose
-- pixels have unit variance, 2 / 31. (The weight in eq. (4), a mean over frames, empties the
-- latent before the decoder can use it.) The paper's latent has 768 numbers where a few would
-- do; they are far from independent, so that samples from the prior do not look like frames.
-- With four numbers instead of a map of one channel, after 1,800 steps, the median error of a
-- sampled frame against the nearest real one is 9e-4 instead of 54e-4 for a pendulum and
-- 35e-4 instead of 168e-4 for three bodies, with 16 and 13 nats instead of 39 and 33, and
-- equal reconstructions. Twelve numbers were no better than the map.
M.GENERATIVE = { kl_weight = 6e-2, posterior_logvar = 0, latent = "vector",
  z = 4, prior = "mixture" }

-- The values for a vector phase space, which replace those for feature maps; found by
-- experiments on the paper's noise-free frames. `fit_limit`: the share of uncertain frames was
-- at most 0.06 where the later stages made a model better, and 0.33 and 0.76 where they made it
-- worse.
local VECTOR = { energy_gain = 1, kinetic = "quadratic", context = 11, windows = 21,
  train_size = 20000, fit_steps = 30, teach_steps = 2000,
  chart = 32, energy_width = 32, flatten_steps = 5000, fit_size = 512, fit_limit = 0.2,
  fit_method = "gauss_newton", teach_from = "coordinates", prior = "mixture" }

-- The same for motions that only Adam can fit.
local VECTOR_ADAM = options.joined(VECTOR, { fit_steps = 2600,
  chart = 128, energy_width = 128, fit_size = 1024, fit_method = "adam" })

-- The values for MANY dimensions and more, with which the decoder of the first stage is not
-- precise enough for the other stages: for three bodies, with 4 dimensions, it left an error
-- above 18e-4 in a tenth of the frames, and refined rollouts were valid for 34 steps before
-- the other stages and for 22 after them.
local ONE_STAGE = { fit_steps = 0, teach_steps = 0, teach_from = "images" }
local MANY, VECTOR_MANY = 3, options.joined(VECTOR, ONE_STAGE, { chart = 0 })

-- The same with static coordinates, on which the potential energy depends as well; many
-- colours and sizes take longer to learn.
local VECTOR_STATIC = options.joined(VECTOR_MANY, { energy_width = 64 })

-- The number of steps of the first stage, which all steps of the later ones come on top of.
local FIRST = { short = 2400, long = 8000, many = 10000, static = 20000 }

-- HGN++ as trained by its authors' code in mode "forward_backward". The state has 16 + 16
-- numbers and belongs to the middle one of the five frames that the encoder sees, at either
-- end of a window of 65 frames out of 256. Their pixels have a variance of 1/2 and their
-- objective is divided by the number of values in a window, so the weight of the divergence
-- is their beta (0.001, 0.1, 1 or 2; here 0.1) over 65. The batch is that of one of their
-- four devices. Their initial weights are normal with a variance of 1 / fan_in, as "default"
-- with a gain of sqrt(3) has; here the energies are initialised so.
local PLUS = { phase = "vector", dimension = 16, variant = "no_fpsi",
  energy_layers = 4, energy_width = 250, energy_activation = "swish",
  energy_gain = math.sqrt(3), encoder = "blocks", context = 5, anchor = 3,
  context_start = "ends", frames = 65, projection = "dense",
  constant_channels = 2, skip = false, data_frames = 256, data_dt = 0.05,
  dt = 0.125, noise = 0, train_size = 50000, test_size = 20000, batch = 32,
  lr = 1.5e-4, kl_weight = 0.1 / 65, steps = 500000 }

--- Named changes to the defaults:
--
-- - `full` has the paper's sizes and adapts the weight of the error by GECO;
-- - `small` is half as wide, with a latent to sample from;
-- - `sharp` is `small` with the paper's latent, a small weight on the
--   divergence and a posterior that is narrow from the start: its samples do not
--   look like the data, but it learns to reconstruct faster;
-- - `demo` is `small` on few noise-free sequences, for 1,600 steps;
-- - `plus` is HGN++ of Botev et al. (2021), which takes days on many cores.
M.presets = {
  full = options.joined(LEARNS, { kl_weight = M.GENERATIVE.kl_weight,
    tolerance = 4e-4, geco_rate = 20, multiplier_max = 10 }),
  small = options.joined(SMALL, M.GENERATIVE, { steps = 10000 }),
  sharp = options.joined(SMALL, { kl_weight = 5e-4, posterior_logvar = -5,
    steps = 10000 }),
  demo = options.joined(SMALL, M.GENERATIVE, { steps = 1600, noise = 0,
    train_size = 4000, test_size = 256, save_every = 200,
    evaluate_every = 200 }),
  plus = PLUS,
}

-- The rounds that flatten the coordinates of the first stage. Without them its outcome decided
-- how long rollouts of two bodies hold: with some seeds its coordinates were bent so much that no
-- motion fitted them.
local FLATTEN = { flatten_rounds = 2, redraw_steps = 2000 }
-- The prior on the chart. Without it the fit bends the coordinates of two bodies: their rms
-- distance from the nearest linear function of the true positions, which reach 3, was 0.022
-- instead of 0.0065, and 0.21 instead of 0.074 on noisy frames.
local PRIOR = { chart_prior = 0.1 }
-- The decoder's own stage, and further steps of the fit.
local DECODER = { decoder_rounds = 2, decoder_steps = 3000, refit_steps = 10 }

-- The values where a step of the first stage shows a part of a sequence: whole sequences show
-- errors of the force that another initial state would hide in fewer frames. The first stage is
-- longer, as otherwise its decoder drew some images of two bodies in two distant regions of the
-- phase space, and no motion can be fitted to orbits that cross from one to the other.
local LONG = { fit_steps = 45, decoder_rounds = 3, decoder_steps = 3000, refit_steps = 15 }
-- How many times as many frames as the first stage the second one fits then, at most.
local LONGER = 4

-- The values of the later stages for sequences longer than the frames of the first stage;
-- `all_values` are those with the changes.
local function long_values(values, all_values, frames, length)
  local shown = math.min(length, LONGER * frames)
  return options.joined({ fit_frames = shown, fit_size = values.fit_size * frames // shown },
    all_values.fit_method == "gauss_newton" and LONG or {})
end

-- The same for sequences that every step of the first stage shows in full.
local function short_values(all_values)
  local flat, newton = stages.flattens(all_values), all_values.fit_method == "gauss_newton"
  return options.joined(flat and FLATTEN or {}, newton and DECODER or {},
    flat and newton and PRIOR or {})
end

-- The values with the stages that follow from these changes, and the number of steps of the first.
local function with_stages(values, changes)
  local all_values = options.joined({ hamiltonian = "separable" }, values, changes)
  if all_values.fit_steps == 0 then return options.joined(values, ONE_STAGE), FIRST.short end
  local frames, length = changes.frames or hgn.rules.frames.default, changes.data_frames or 0
  local long = length > frames
  values = options.joined(values, long and long_values(values, all_values, frames, length)
    or short_values(all_values))
  -- Nothing to fit again.
  if changes.decoder_steps == 0 then values.refit_steps = 0 end
  return values, long and all_values.fit_method == "gauss_newton" and FIRST.long or FIRST.short
end

-- The values for a vector phase space with these changes, and the number of steps of the first
-- stage.
local function values_for(changes)
  if (changes.static or 0) > 0 then return VECTOR_STATIC, FIRST.static end
  if (changes.dimension or 1) >= MANY then return VECTOR_MANY, FIRST.many end
  local values = gauss_newton.applies(options.joined({ hamiltonian = "separable",
    friction = "none", kinetic = "quadratic", phase = "vector" }, changes))
    and VECTOR or VECTOR_ADAM
  return with_stages(values, changes)
end

-- The same with the number of all steps: the first stage is as long whichever others follow.
local function vector_values(changes)
  local values, first = values_for(changes)
  return options.joined(values,
    { steps = first + stages.later(options.joined(values, changes)) })
end

--- Adapts the values of a preset to changes: values for simulated data do not apply to other
-- data, values for the latent do not apply without f_psi, where the latent is the state, and
-- a vector phase space has its own values.
-- @tparam table values of the preset
-- @tparam table changes
-- @treturn table
function M.adapt(values, changes)
  local kept = {}
  local own_phase = values.phase == "vector"
  if changes.phase == "vector" and next(values) and not own_phase then
    values = options.joined(values, vector_values(changes))
    values.z, values.latent = nil, nil
    values.context = math.min(VECTOR.context, changes.frames or math.huge)
  end
  for key, value in pairs(values) do
    if not (changes.data and sequences.simulated_only[key]) then
      kept[key] = value
    end
  end
  -- Films can have noise that no decoder draws, and still good coordinates.
  if changes.data then kept.fit_limit = nil end
  if kept.background then
    kept.background = sequences.grey_of(kept.background, changes.channels)
  end
  local variant = changes.variant or values.variant
  if variant == "no_fpsi" then kept.z, kept.latent = nil, nil end
  if variant == "determ" or (changes.phase or kept.phase) ~= "vector"
    and (changes.latent or kept.latent) ~= "vector" then
    kept.prior = nil
  end
  return kept
end

return M
