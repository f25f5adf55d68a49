-- Configurations as runs of version 0.1 wrote them: they open as they are, and
-- the keys that are younger have their defaults.
local configuration = require "torus.runs.configuration"
local json = require "dkjson"
local files = require "torus.files"
local run = require "torus.runs.run"

local OLD = {
  hgn = [[
{"background": [0.321, 0.349, 0.368], "batch": 4, "channels": 3, "chunk": 4,
"closing": "none", "data_seed": 0, "decode_frames": 4, "dt": 0.125,
"dtype": "float32", "energy_gain": 4.3, "energy_init": "oscillator",
"energy_layers": 6, "evaluate_count": 4, "evaluate_every": 2, "frames": 31,
"geco_bound": 0.02, "geco_decay": 0.99, "geco_rate": 1,
"hamiltonian": "separable", "horizon_start": 3, "horizon_steps": 600,
"init": "kaiming", "input_gain": 8, "kl_warmup": 1000, "kl_weight": 0.06,
"latent": "vector", "log_every": 1, "lr": 0.001, "lr_decay": "cosine",
"max_gradient": 0.02, "model": "hgn", "multiplier": 1,
"multiplier_max": 1000000, "posterior_logvar": 0, "resolution": 32,
"save_every": 2, "seed": 1, "skip": false, "state": 16, "steps": 4,
"system": "pendulum", "test_size": 8, "train_size": 32, "variant": "leapfrog",
"warmup": 30, "width": 8, "z": 4}]],
  hnn = [[
{"activation": "tanh", "batch": 0, "data_seed": 1, "depth": 2,
"derivatives": "true", "dimension": 1, "dtype": "float32",
"evaluate_every": 500, "kind": "hnn", "log_every": 10, "lr": 0.001,
"lr_decay": "none", "model": "hnn", "noise": 0.1, "points": 45,
"save_every": 10, "seed": 1, "span": 3, "start": "system", "steps": 20,
"system": "pendulum", "test_share": 0.5, "trajectories": 50, "warmup": 0,
"weight_decay": 0.0001, "width": 200}]],
  pixel_hnn = [[
{"background": [0.321, 0.349, 0.368], "batch": 8, "cc_weight": 1,
"centre": true, "channels": 3, "conv_width": 16, "data_seed": 0, "dt": 0.05,
"dtype": "float32", "evaluate_count": 4, "evaluate_every": 500, "frames": 103,
"hnn_weight": 0.1, "init": "kaiming", "input_gain": 4, "kind": "mlp",
"latent": 2, "log_every": 10, "lr": 0.001, "lr_decay": "cosine",
"model": "pixel_hnn", "noise": 0, "resolution": 32, "save_every": 3, "seed": 1,
"step": "euler", "steps": 5, "system": "restricted_pendulum", "test_size": 8,
"train_size": 32, "warmup": 0, "weight_decay": 1e-05, "width": 200}]],
  nhf = [[
{"batch": 64, "depth": 2, "dimension": 2, "dt": 0.25, "dtype": "float32",
"energy_gain": 2, "evaluate_count": 64, "evaluate_every": 500, "flows": 5,
"geco_bound": 0.005, "geco_decay": 0.9, "geco_rate": 0.02, "leaps": 2,
"log_every": 10, "lr": 0.01, "lr_decay": "cosine", "max_gradient": 10,
"model": "nhf", "modes": 4, "objective": "elbo", "prior": "normal",
"prior_sharpness": 4, "prior_width": 4, "save_every": 5, "seed": 1,
"std": 0.4, "steps": 5, "target": "mixture", "warmup": 50, "width": 128}]],
}

describe("an older run", function()
  for model, text in pairs(OLD) do
    it("of " .. model .. " keeps its configuration", function()
      local config = assert(configuration.decode(text))
      for key, value in pairs(json.decode(text)) do
        if type(value) == "table" then setmetatable(value, nil) end
        assert.are.same(value, config[key], key)
      end
    end)

    it("of " .. model .. " may be resumed", function()
      local path = os.tmpname()
      os.remove(path)
      assert(files.make_folder(path))
      finally(function() os.execute("rm -r " .. path) end)
      assert(files.write(path .. "/config.json", text))
      local config = assert(run.read_configuration(path))
      assert.is_nil(configuration.conflict(
        assert(configuration.decode(text)), config))
      assert.is_true(run.check_earlier(path, config))
    end)
  end
end)
