--- Fits the motion to coordinates by the Levenberg-Marquardt method, in all unknowns at once:
-- the Hamiltonian, the chart and the state of every sequence.
--
-- Within the frames of the fit, a free initial state can compensate small errors of the
-- force; these decide how far beyond those frames the motion stays on its orbit. They lie in
-- directions of low curvature, along which a gradient method is slow, and a method that uses
-- the curvature is not. Small networks have few enough parameters for it: the Jacobian of a
-- rollout with respect to all of them is a recursion over its steps, and the state of each
-- sequence, on which no other one depends, is eliminated from the normal equations.
-- @module torus.models.hgn.gauss_newton
local chart_prior = require "torus.models.hgn.chart_prior"
local coordinates = require "torus.models.hgn.coordinates"
local derivatives = require "torus.models.parts.dense_derivatives"
local engine = require "torus.engine"
local least_squares = require "torus.models.hgn.least_squares"

local M = {}

-- Number of frames whose Jacobians are in memory at a time, but of at least SEQUENCES
-- sequences.
local FRAMES, SEQUENCES = 1024, 8
-- Rows of the normal equations that are computed at a time.
local BAND = 128
-- Derivatives below the precision of float32 relative to this one, 1e-19, count as 0.
local TINY = 1e-12
-- Factors of the damping after a step that was accepted at the first attempt, at a later one,
-- and after a failed attempt; the maximum number of attempts.
local DECREASE, LATE_DECREASE, INCREASE, ATTEMPTS = 1 / 8, 2 / 3, 4, 9
-- The range of the damping. Below it the rounding errors of products of float32 decide; beyond
-- it nothing would move any more.
local MIN_DAMPING, MAX_DAMPING = 1e-8, 1e8
-- Factors of the damping of further attempts after one that was accepted.
local FAR_DECREASES = { 1 / 30, 1 / 1000 }
-- The damping is proportional to the diagonal of the normal equations (Marquardt) plus this
-- factor times its mean (Levenberg), which dominates. With the diagonal alone, a parameter
-- with little influence would move far, out of the range in which the equations hold, and
-- every step would have to be small. With this factor, a pendulum's error fell to 0.005e-4
-- instead of 0.26e-4 in the same number of steps.
local UNIFORM = 10

--- The initial damping.
M.DAMPING = 1.0

local DOUBLE = { dtype = "float64" }

--- Returns true if the method supports the motion of a configuration.
-- @tparam table config of an HGN
-- @treturn boolean
-- @usage
-- local gauss_newton = require "torus.models.hgn.gauss_newton"
-- local config = { phase = "vector", hamiltonian = "separable",
--   method = "leapfrog", friction = "none" }
-- print(gauss_newton.applies(config))   -- true
function M.applies(config)
  return config.phase == "vector" and config.hamiltonian == "separable"
    and (config.method or "leapfrog") == "leapfrog"
    and config.variant ~= "euler" and config.variant ~= "determ"
    and (config.friction == "none"
      or config.friction == "constant" and config.kinetic == "quadratic")
end

--- The maximum number of parameters n: the normal equations take 8 n^2 bytes of memory, and
-- time proportional to n^3.
M.MAX = 8000

--- Returns the number of parameters of the energies and the chart.
-- @tparam table config complete, of an HGN with a vector phase space
-- @treturn integer
-- @usage
-- local gauss_newton = require "torus.models.hgn.gauss_newton"
-- print(gauss_newton.count { dimension = 1, energy_width = 32, chart = 32,
--   kinetic = "quadratic" })   -- 2305
function M.count(config)
  local n, w, c = config.dimension or 1, config.energy_width or 64, config.chart
  local energy = (n + 1) * w + ((config.energy_layers or 2) - 1) * (w + 1) * w + w
  local chart = c > 0 and (n + 1) * c + (c + 1) * c + (c + 1) * n or 0
  return energy * (config.kinetic == "network" and 2 or 1) + chart
    + (config.friction == "constant" and 1 or 0)
end

--- Returns the networks of an HGN in the form that `residuals` reads: their layers, each with
-- the offset of its columns in the Jacobian.
-- @tparam Module model
-- @treturn table
function M.networks(model)
  local found = { size = 0, modules = {} }
  local function add(name, module)
    if not module then return end
    found[name] = derivatives.layers(module)
    found[name].offset = found.size
    found.size = found.size + found[name].size
    table.insert(found.modules, module)
  end
  add("V", model.V)
  add("K", model.config.kinetic == "network" and model.K or nil)
  if model.friction then
    found.friction = { offset = found.size, size = 1, D = model.friction:constant():item(),
      slope = model.friction:slope() }
    found.size = found.size + 1
    table.insert(found.modules, model.friction)
  end
  found.moving = found.size
  add("chart", model.chart and model.chart.net)
  return found
end

-- Adds factor * by, the columns of one network, to a Jacobian.
local function add_columns(jacobian, net, by, factor)
  jacobian:narrow(3, net.offset + 1, net.size):add_(by * factor)
end

-- p after the time h: dp/dt = -dV/dq.
local function kick(at, h)
  at.p = at.p - at.gradient * h
  at.by_p = at.by_p - at.by_gradient * h
end

-- p after the time h of dp/dt = -D p.
local function damp(nets, at, h)
  if not nets.friction then return end
  local by = at.p * (-nets.friction.slope * h)
  local factor = math.exp(-nets.friction.D * h)
  at.p, at.by_p = at.p * factor, at.by_p * factor
  add_columns(at.by_p, nets.friction, by:unsqueeze(3), factor)
end

local function update_gradient(nets, at)
  local gradient, hessian, by = derivatives.gradient(nets.V, at.q)
  at.gradient, at.by_gradient = gradient, hessian:matmul(at.by_q)
  add_columns(at.by_gradient, nets.V, by, 1)
end

-- q after the time h: dq/dt = dK/dp.
local function drift(nets, at, h)
  if not nets.K then
    at.q, at.by_q = at.q + at.p * h, at.by_q + at.by_p * h
    return
  end
  local velocity, hessian, by = derivatives.gradient(nets.K, at.p)
  at.q = at.q + velocity * h
  at.by_q = at.by_q + hessian:matmul(at.by_p) * h
  add_columns(at.by_q, nets.K, by, h)
end

-- The states of a block with their derivatives with respect to the parameters of the energies,
-- then to the states themselves.
local function start(nets, states)
  local batch, n = states:size(1), states:size(2) // 2
  local function identity(first)
    local o = { dtype = states.dtype }
    local by = engine.zeros({ batch, n, nets.moving + 2 * n }, o)
    by:narrow(3, nets.moving + first, n):copy_(engine.eye(n, o):expand(batch, n, n))
    return by
  end
  return { q = states:narrow(2, 1, n), p = states:narrow(2, n + 1, n),
    by_q = identity(1), by_p = identity(n + 1) }
end

-- The decoder's coordinates of q, with their derivatives with respect to all parameters and
-- to the states.
local function image(nets, at)
  local moving, states = nets.moving, at.by_q:size(3) - nets.moving
  if not nets.chart then
    return at.q, at.by_q:narrow(3, 1, moving), at.by_q:narrow(3, moving + 1, states)
  end
  local y, by_q, by = derivatives.outputs(nets.chart, at.q)
  local moved = by_q:matmul(at.by_q) + at.by_q
  return at.q + y, engine.cat({ moved:narrow(3, 1, moving), by }, 3),
    moved:narrow(3, moving + 1, states)
end

--- Returns the residuals of the motion from given states, and their derivatives.
-- @tparam table nets as returned by `networks`
-- @tparam number dt
-- @tparam tensor states (batch, 2 n), of the networks' dtype, like all that follows
-- @tparam tensor targets coordinates (frames, batch, n)
-- @tparam tensor roots R (frames, batch, n, n): an error d of the coordinates has the
-- residual R d
-- @treturn tensor residuals (batch, frames n)
-- @treturn tensor derivatives with respect to the parameters (batch, frames n, parameters)
-- @treturn tensor derivatives with respect to the states (batch, frames n, 2 n)
function M.residuals(nets, dt, states, targets, roots)
  local at, r, J, S = start(nets, states), {}, {}, {}
  update_gradient(nets, at)
  for t = 1, targets:size(1) do
    if t > 1 then
      damp(nets, at, dt / 2)
      kick(at, dt / 2)
      drift(nets, at, dt)
      update_gradient(nets, at)
      kick(at, dt / 2)
      damp(nets, at, dt / 2)
    end
    local y, by, by_states = image(nets, at)
    local root = roots[t]
    r[t] = root:matmul((y - targets[t]):unsqueeze(3)):squeeze(3)
    J[t], S[t] = root:matmul(by), root:matmul(by_states)
  end
  return engine.cat(r, 2), engine.cat(J, 2), engine.cat(S, 2)
end

-- Calls a function with the first row and the number of rows of each of the bands into which
-- a symmetric matrix is divided; a band reaches from the diagonal to the right.
local function each_band(size, f)
  for first = 1, size, BAND do
    f(first, math.min(BAND, size - first + 1), size - first + 1)
  end
end

-- Adds J'J to the right upper half of a matrix. With J of float32 the products have a relative
-- error of 1e-7, which the damping outweighs, and take half the time. Derivatives that are
-- almost 0, those by weights of saturated units, are replaced by 0: products with denormal
-- numbers, below 1e-38, take a hundred times as long.
local function add_gram(A, J)
  if J.dtype == "float32" then J = (J + TINY):add_(-TINY) end
  local Jt = J:transpose(1, 2)
  each_band(J:size(2), function(first, rows, columns)
    A:narrow(1, first, rows):narrow(2, first, columns):add_(
      Jt:narrow(1, first, rows):matmul(J:narrow(2, first, columns)):to("float64"))
  end)
end

-- Copies the right upper half of a matrix to the other half.
local function mirror(A)
  each_band(A:size(1), function(first, rows, columns)
    if columns == rows then return end
    A:narrow(1, first + rows, columns - rows):narrow(2, first, rows):copy_(
      A:narrow(1, first, rows):narrow(2, first + rows, columns - rows):transpose(1, 2))
  end)
end

-- The normal equations of all sequences, in blocks: A and b for the parameters; for each
-- sequence, C (2 n, 2 n) and c for its state, and B (2 n, parameters) between the two.
local function normal_equations(model, nets, states, targets, roots)
  local dt = model.config.dt
  local A = engine.zeros({ nets.size, nets.size }, DOUBLE)
  local b = engine.zeros({ nets.size, 1 }, DOUBLE)
  local B, C, c = {}, {}, {}
  local block = math.max(SEQUENCES, FRAMES // targets:size(1))
  for first = 1, states:size(1), block do
    local count = math.min(block, states:size(1) - first + 1)
    local r, J, S = M.residuals(nets, dt, states:narrow(1, first, count),
      targets:narrow(2, first, count), roots:narrow(2, first, count))
    local St, i = S:transpose(2, 3), #B + 1
    B[i] = St:matmul(J):to("float64")
    -- In float64, so that C remains positive definite with little damping.
    local St64 = St:to("float64")
    C[i] = St64:matmul(S:to("float64"))
    c[i] = St64:matmul(r:unsqueeze(3):to("float64"))
    J = J:reshape(-1, nets.size)
    add_gram(A, J)
    b:add_(J:transpose(1, 2):matmul(r:reshape(-1, 1)):to("float64"))
  end
  mirror(A)
  return { A = A, b = b, B = engine.cat(B, 1), C = engine.cat(C, 1),
    c = engine.cat(c, 1), dtype = states.dtype }
end

-- Adds a prior on the chart to the normal equations of the motion over `count` frames.
local function add_prior(equations, model, nets, prior, count)
  local first, size = nets.chart.offset + 1, nets.chart.size
  local A, b = chart_prior.equations(model, nets.chart, prior, count)
  equations.A:narrow(1, first, size):narrow(2, first, size):add_(A)
  equations.b:narrow(1, first, size):add_(b)
end

-- True if all elements of the normal equations are finite; derivatives of a rollout that
-- diverges are not.
local function are_finite(equations)
  for _, name in ipairs { "A", "b", "B", "C", "c" } do
    if not equations[name]:isfinite():all():item() then return false end
  end
  return true
end

-- The damped steps of the parameters (size) and the states (batch, 2 n). The states are
-- eliminated by the Schur complement.
local function solve(equations, damping)
  local function damped(A)
    local eye = engine.eye(A:size(-1), DOUBLE)
    local diagonal = (A * eye):sum(-1)
    local uniform = diagonal:mean(-1, true) * UNIFORM + 1e-30
    return A + eye * ((diagonal + uniform) * damping):unsqueeze(-1)
  end
  local B, c = equations.B, equations.c
  local size = B:size(3)
  local lower = engine.cholesky(damped(equations.C))
  local inverse = engine.inverse(lower)
  local LB, Lc = inverse:matmul(B), inverse:matmul(c)
  local rows = LB:reshape(-1, size)
  local eliminated = engine.zeros({ size, size }, DOUBLE)
  add_gram(eliminated, rows:to(equations.dtype))
  mirror(eliminated)
  local parameters = engine.solve(damped(equations.A) - eliminated,
    equations.b - rows:transpose(1, 2):matmul(Lc:reshape(-1, 1))) * -1
  local states = inverse:transpose(2, 3):matmul(Lc + LB:matmul(parameters)) * -1
  return parameters:reshape(-1), states:squeeze(3)
end

-- Adds a step to the weights. Returns their previous values, for put_back.
local function move(nets, by)
  local offset, before = 0, {}
  for _, module in ipairs(nets.modules) do
    for _, weight in ipairs(module:parameters()) do
      before[#before + 1] = { weight, weight:detach() + 0 }
      weight:add_(by:narrow(1, offset + 1, weight:numel()):reshape(weight.shape)
        :to(weight.dtype))
      offset = offset + weight:numel()
    end
  end
  return before
end

local function put_back(before)
  for _, entry in ipairs(before) do entry[1]:copy_(entry[2]) end
end

-- The better one of two states for each sequence, and the mean error of these.
local function best_of(errors_of, a, b)
  local ea, eb = errors_of(a):mean(1), errors_of(b):mean(1)
  local better = eb:lt(ea)
  return engine.where(better:unsqueeze(2):expand(a.shape), b, a),
    engine.where(better, eb, ea):mean():item()
end

-- The best one of a step that was accepted and of others with much less damping: the states are
-- fitted after a step, so a longer one can be good where one of medium length is not, and the
-- damping would stay where every step is accepted and none leads far.
local function best_below(try, found)
  local best = found
  for _, factor in ipairs(FAR_DECREASES) do
    local damping = found.damping * factor
    local other = damping >= MIN_DAMPING and try(damping)
    if other and other.error < best.error then best = other end
  end
  return best
end

--- Performs one step of the method, which never increases the error. The networks are changed
-- in place.
-- @tparam Module model an HGN for which `applies`
-- @tparam tensor states (batch, 2 n) at the first frame
-- @tparam tensor targets coordinates (frames, batch, n)
-- @tparam tensor metric (frames, batch, n, n)
-- @tparam tensor left (frames, batch); all three as returned by HGN:locate
-- @tparam number damping as returned by the last step, `DAMPING` at first
-- @tparam[opt] table opts
-- @tparam[opt=false] boolean opts.far true: after a step that lowered the error, steps with much
-- less damping are tried too. These fit the given frames faster, and short sequences so closely
-- that the motion goes astray beyond them
-- @tparam[opt] table opts.prior on the chart (torus.models.hgn.chart_prior)
-- @treturn tensor states
-- @treturn number damping for the next step
-- @treturn number the error, as defined by HGN:coordinate_loss, plus that of the prior
-- @usage
-- local torus = require "torus"
-- local gauss_newton = require "torus.models.hgn.gauss_newton"
-- local model = torus.models.hgn { phase = "vector", width = 8, frames = 4,
--   energy_width = 8 }
-- local coordinates, metric, left = model:locate(torus.rand(2, 4, 32, 32, 3))
-- local states, damping, loss = torus.zeros(2, 2), gauss_newton.DAMPING, nil
-- for _ = 1, 3 do
--   states, damping, loss = gauss_newton.step(model, states, coordinates,
--     metric, left, damping)
-- end
-- print(loss)
function M.step(model, states, targets, metric, left, damping, opts)
  local far, prior = opts and opts.far, opts and opts.prior
  return engine.no_grad(function()
    local function errors_of(x)
      return (coordinates.frame_losses(model, x, targets, metric, left))
    end
    local function prior_error() return prior and chart_prior.loss(model, prior) or 0 end
    local terms, weights = coordinates.frame_losses(model, states, targets, metric, left)
    local loss = terms:mean():item() + prior_error()
    local nets = M.networks(model)
    local equations = normal_equations(model, nets, states, targets,
      least_squares.roots(metric, weights):to(states.dtype))
    if prior then add_prior(equations, model, nets, prior, weights:numel()) end
    damping = math.min(math.max(damping, MIN_DAMPING), MAX_DAMPING)
    if not are_finite(equations) then return states, damping, loss end
    local function try(at)
      local by, by_states = solve(equations, at)
      local before = move(nets, by)
      local moved = (states + by_states:to(states.dtype)):contiguous()
      -- Then the states that fit the new motion best, not only to first order.
      local fitted = coordinates.fit_states(model, moved, targets,
        metric * weights:unsqueeze(-1):unsqueeze(-1))
      local best, error_ = best_of(errors_of, moved, fitted)
      error_ = error_ + prior_error()
      put_back(before)
      return { by = by, states = best, error = error_, damping = at }
    end
    for attempt = 1, ATTEMPTS do
      local found = try(damping)
      if found.error < loss then
        if far then found = best_below(try, found) end
        move(nets, found.by)
        local less = found.damping * (attempt == 1 and DECREASE or LATE_DECREASE)
        return found.states, math.max(less, MIN_DAMPING), found.error
      end
      damping = math.min(damping * INCREASE, MAX_DAMPING)
    end
    return states, damping, loss
  end)
end

return M
