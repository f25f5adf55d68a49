--- What PyTorch, NumPy and Torch7 call otherwise: the expressions here for their names,
-- with which the message about an unknown name answers.
-- @module torus.elsewhere

local M = {}

--- Methods and properties of tensors, by their name elsewhere.
M.tensor = {
  T = "x:transpose()", t = "x:transpose()", mT = "x:transpose()",
  swapaxes = "x:transpose(a, b)", movedim = "x:permute(...)", moveaxis = "x:permute(...)",
  clone = "x:copy()", numpy = "torus.npy.save(path, x)", tolist = "x:totable()",
  astype = "x:to(dtype)", type = "x:to(dtype) or x.dtype", long = 'x:to("int64")',
  int = 'x:to("int32")', byte = 'x:to("uint8")', bool = 'x:to("bool")',
  ndim = "x:dim()", ndimension = "x:dim()", nelement = "x:numel()", nElement = "x:numel()",
  isTensor = "torus.is_tensor(x)", requires_grad_ = "x.requires_grad = true",
  zero_grad = "optimiser:zero_grad()", detach_ = "x:detach()", data = "x:detach()",
  cpu = "x itself: tensors are in main memory", cuda = "x itself: torus runs on CPUs",
  ravel = "x:flatten()", view_as = "x:reshape(y.shape)", reshape_as = "x:reshape(y.shape)",
  unflatten = "x:reshape(...)", resize = "x:reshape(...)", expand_as = "x:expand(y.shape)",
  repeatTensor = "x:tile(...)", ["repeat"] = "x:tile(...)",
  amax = "x:max(dim)", amin = "x:min(dim)", ptp = "x:max() - x:min()",
  aminmax = "x:min() and x:max()", mm = "x:matmul(y)", bmm = "x:matmul(y)", mv = "x:matmul(y)",
  addmm = "x + a:matmul(b)", inner = "x:dot(y)", vdot = "x:dot(y)", ger = "x:outer(y)",
  inv = "x:inverse()", rsqrt = "x:sqrt():reciprocal()",
  sgn = "x:sign()", clip = "x:clamp(low, high)", fix = "x:trunc()", frac = "x - x:trunc()",
  cbrt = "x:sign() * x:abs() ^ (1 / 3)", sub_ = "x:add_(y, -1)",
  div_ = "x:mul_(1 / c)", fill = "x:fill_(value)", zero = "x:zero_()",
  equal = "x:eq(y):all():item()", cmul = "x * y", cdiv = "x / y", csub = "x - y",
  count_nonzero = "x:ne(0):sum()", nansum = "x:nan_to_num():sum()",
  nanmean = "x[~x:isnan()]:mean()", argwhere = "x:nonzero()", take = "x:take_along_dim(index)",
  put = "x[index] = y", index_fill = "x:masked_fill(mask, value)", scatter = "x:scatter_add(...)",
  logaddexp = "torus.stack({ x, y }):logsumexp(1)", percentile = "x:quantile(q / 100)",
  kthvalue = "x:sort()", histogram = "x:histc(bins, low, high)", rot90 = "x:transpose():flip(1)",
  fliplr = "x:flip(2)", flipud = "x:flip(1)", eigvals = "x:eig()",
  eigvalsh = "x:eigh()", symeig = "x:eigh()",
  is_cuda = "false: torus runs on CPUs", grad_fn = "x.is_leaf", trapz = "x:trapezoid()",
  unfold = "x:narrow(dim, first, count)",
  diagonal = "x:diag(k)", lerp = "x + (y - x) * weight", clamp_min = "x:clamp { min = low }",
  clamp_max = "x:clamp { max = high }", isclose = "(x - y):abs():le(tolerance)",
  logical_and = "x & y", logical_or = "x | y", logical_not = "~x", logical_xor = "x ~ y",
  std_mean = "x:std() and x:mean()", var_mean = "x:var() and x:mean()",
  unique_consecutive = "x:unique(), which sorts", isin = "x:unsqueeze(-1):eq(y):any(-1)",
  new_zeros = "torus.zeros(shape, { dtype = x.dtype })",
  new_ones = "torus.ones(shape, { dtype = x.dtype })",
  new_full = "torus.full(shape, value, { dtype = x.dtype })",
  new_tensor = "torus.tensor(list, { dtype = x.dtype })",
  nanmax = "x[~x:isnan()]:max()", nanmin = "x[~x:isnan()]:min()",
  nanstd = "x[~x:isnan()]:std()", nanvar = "x[~x:isnan()]:var()",
  nanmedian = "x[~x:isnan()]:median()", nanquantile = "x[~x:isnan()]:quantile(q)",
  logdet = "select(2, x:slogdet())", pinverse = "torus.linalg.pinv(x)",
  addcmul = "x + a * b", addcdiv = "x + a / b", baddbmm = "x + a:matmul(b)",
  logit = "(x / (1 - x)):log()",
  cdist = "(x:unsqueeze(2) - y:unsqueeze(1)):norm { dim = 3 }",
  cosine_similarity = "(x * y):sum(-1) / (x:norm { dim = -1 } * y:norm { dim = -1 })",
  normalize = "x / x:norm { dim = -1, keepdim = true }", diag_embed = "x:diag() of a vector",
  one_hot = "x:unsqueeze(-1):eq(torus.arange(n)):float()", broadcast_to = "x:expand(shape)",
  msort = "x:sort(1)", vander = "x:unsqueeze(2) ^ torus.arange(0, n - 1)",
  hardtanh = "x:clamp(-1, 1)", softsign = "x / (x:abs() + 1)", mish = "x * x:softplus():tanh()",
  logsigmoid = "-(-x):softplus()", ndtri = "(2 * x - 1):erfinv() * math.sqrt(2)",
  ndtr = "(x * -math.sqrt(0.5)):erfc() * 0.5", heaviside = "x:step()", signbit = "x:lt(0)",
  float_power = "x ^ y", true_divide = "x / y",
}

--- Names of the module, by their name elsewhere.
M.torus = {
  array = "torus.tensor", asarray = "torus.tensor", Tensor = "torus.tensor or torus.zeros",
  DoubleTensor = 'torus.zeros(n, { dtype = "float64" })', FloatTensor = "torus.zeros(n)",
  from_numpy = "torus.npy.load(path)", as_tensor = "torus.tensor", Variable = "torus.variable(x)",
  concat = "torus.cat({ x, y }, dim)", concatenate = "torus.cat({ x, y }, dim)",
  hstack = "torus.cat({ x, y }, -1)", vstack = "torus.cat({ x, y }, 1)",
  column_stack = "torus.stack({ x, y }, 2)", empty = "torus.zeros(...)", range = "torus.arange(n)",
  empty_like = "torus.zeros_like(x)", geomspace = "torus.logspace(first, last, count)",
  random = "torus.rand, torus.randn, torus.randint and others", seed = "torus.manual_seed(n)",
  set_default_dtype = 'the option dtype = "float64" of each tensor',
  set_printoptions = "torus.print_options { ... }", device = "nothing: torus runs on CPUs",
  cuda = "nothing: torus runs on CPUs", set_num_threads = "torus.set_threads(n)",
  pi = "math.pi", e = "math.exp(1)", inf = "math.huge", nan = "0 / 0", newaxis = "x:unsqueeze(dim)",
  float64 = 'the dtype "float64"', float32 = 'the dtype "float32"', int64 = 'the dtype "int64"',
  uint8 = 'the dtype "uint8"', int32 = 'the dtype "int32"', bool = 'the dtype "bool"',
  allequal = "x:eq(y):all():item()", array_equal = "x:eq(y):all():item()",
  isclose = "torus.allclose(x, y), or (x - y):abs():le(tolerance)",
  isreal = "nothing: complex numbers are pairs of tensors",
  deg2rad = "x * (math.pi / 180)", rad2deg = "x * (180 / math.pi)", arctan2 = "torus.atan2(y, x)",
  arcsin = "torus.asin(x)", arccos = "torus.acos(x)", arctan = "torus.atan(x)",
  arcsinh = "torus.asinh(x)", arccosh = "torus.acosh(x)", arctanh = "torus.atanh(x)",
  fabs = "torus.abs(x)", absolute = "torus.abs(x)", power = "x ^ y", mod = "x % y",
  subtract = "x - y", multiply = "x * y", divide = "x / y", negative = "-x",
  greater = "x:gt(y)", less = "x:lt(y)", greater_equal = "x:ge(y)", less_equal = "x:le(y)",
  not_equal = "x:ne(y)", fmax = "torus.maximum(x, y)", fmin = "torus.minimum(x, y)",
  trapz = "torus.trapezoid(y, x)", cumtrapz = "torus.cumulative_trapezoid(y, x)",
  digitize = "torus.searchsorted(edges, x)", bucketize = "torus.searchsorted(edges, x)",
  interp1d = "torus.interp(x, xp, fp)", tensordot = "torus.einsum(equation, x, y)",
  convolve = "torus.conv2d(x, weight)", poly1d = "torus.linalg.lstsq(columns, y)",
  polyfit = "torus.linalg.lstsq of the columns x ^ 0, x ^ 1, ...",
  curve_fit = "torus.optim.lbfgs(parameters)", minimize = "torus.optim.lbfgs(parameters)",
  odeint = "torus.ode { f =, y =, times = }",
  solve_ivp = "torus.ode { f =, y =, times = }",
  quad = "torus.trapezoid(y, x)",
  loadtxt = "torus.csv.load(path)", genfromtxt = "torus.csv.load(path)",
  read_csv = "torus.csv.load(path)", savetxt = "torus.csv.save(path, x)",
  savez = "torus.npz.save(path, { x = x })", autograd = "torus.grad(y, x)",
  func = "torus.jacobian, torus.hessian, torus.vjp, torus.jvp", vmap = "operations on batches",
  compile = "nothing: kernels are compiled already", jit = "nothing: kernels are compiled already",
  utils = "torus.data.tensors for batches", mgrid = "torus.meshgrid(x, y)",
  show = "torus.image.show(x) or torus.plot.show { ... }",
  shuffle = "x:index_select(1, torus.randperm(#x))", permutation = "torus.randperm(n)",
  uniform = "torus.rand(...) * (high - low) + low", identity = "torus.eye(n)",
  gradient = "torus.grad(y, x) of an operation, torus.diff(x) of samples",
  simpson = "torus.trapezoid(y, x)", is_grad_enabled = "torus.is_recording()",
  triu_indices = "torus.ones(n, n):triu():nonzero()",
  tril_indices = "torus.ones(n, n):tril():nonzero()",
  hanning = "(torus.linspace(0, math.pi, n):sin()) ^ 2",
  hann_window = "(torus.arange(0, n - 1) * (math.pi / n)):sin() ^ 2",
}

--- Names of torus.nn.
M.nn = {
  functional = "the functions of torus.nn and the methods of tensors",
  Parameter = "module:register(name, x)", MSELoss = "torus.nn.mse(x, y)",
  L1Loss = "torus.nn.l1(x, y)", SmoothL1Loss = "torus.nn.huber(x, y)",
  HuberLoss = "torus.nn.huber(x, y)", CrossEntropyLoss = "torus.nn.cross_entropy(x, y)",
  BCEWithLogitsLoss = "torus.nn.bce_with_logits(x, y)",
  GaussianNLLLoss = "torus.nn.gaussian_nll(mean, y, variance)",
  mse_loss = "torus.nn.mse(x, y)", l1_loss = "torus.nn.l1(x, y)",
  Softmax = "x:softmax(dim)", LogSoftmax = "x:log_softmax(dim)", Swish = "torus.nn.SiLU()",
  Flatten = "function(x) return x:flatten(2) end", ModuleList = "torus.nn.Sequential or a table",
  Identity = "function(x) return x end", Conv1d = "torus.nn.Conv2d with a height of 1",
  init = "the option init of each layer", utils = "torus.optim.clip_norm and others",
  Upsample = "x:upsample(factor)", BCELoss = "torus.nn.bce_with_logits(x, y)",
  NLLLoss = "torus.nn.cross_entropy(scores, index)",
  nll_loss = "torus.nn.cross_entropy(scores, index)",
  CosineSimilarity = "(x * y):sum(-1) / (x:norm { dim = -1 } * y:norm { dim = -1 })",
}

--- Names of torus.optim.
M.optim = {
  Adam = "torus.optim.adam(parameters)", AdamW = "torus.optim.adamw(parameters)",
  SGD = "torus.optim.sgd(parameters)", RMSprop = "torus.optim.rmsprop(parameters)",
  LBFGS = "torus.optim.lbfgs(parameters)", lr_scheduler = "torus.optim.schedule",
  clip_grad_norm_ = "torus.optim.clip_norm(gradients, limit)",
  clip_grad_value_ = "torus.optim.clip_value(gradients, limit)",
}

--- Names of torus.data.
M.data = {
  DataLoader = "torus.data.tensors { x, y, batch = n }",
  TensorDataset = "torus.data.tensors { x, y }",
}

--- Names of torus.image.
M.image = {
  save = "torus.image.write(path, x)", imsave = "torus.image.write(path, x)",
  load = "torus.image.read(path)", imread = "torus.image.read(path)",
  imshow = "torus.image.show(x)",
}

--- Names of torus.plot.
M.plot = {
  plot = "torus.plot.lines { path =, series = }", hist = "torus.plot.histogram { ... }",
  imshow = "torus.plot.heat_map { ... }", savefig = "the option path of each function",
}

--- Methods of optimisers.
M.optimiser = {
  state_dict = "optimiser:state()", load_state_dict = "optimiser:load_state(state)",
  param_groups = "optimiser.lr and optimiser.params", zeroGrad = "optimiser:zero_grad()",
  add_param_group = "an optimiser of its own for each group",
}

--- Names of torus.optim.schedule, and methods of schedules.
M.schedule = {
  StepLR = "torus.optim.schedule.step(optimiser, { every = n })",
  MultiStepLR = "torus.optim.schedule.step(optimiser, { every = n })",
  ExponentialLR = "torus.optim.schedule.exponential(optimiser, { factor = gamma })",
  CosineAnnealingLR = "torus.optim.schedule.cosine(optimiser, { steps = n })",
  ReduceLROnPlateau = "torus.optim.schedule.plateau(optimiser)",
  get_last_lr = "schedule:rate()", get_lr = "schedule:rate()", last_epoch = "schedule.steps",
  state_dict = "schedule:state()", load_state_dict = "schedule:load_state(state)",
}

--- Methods of modules.
M.module = {
  state_dict = "net:named()", load_state_dict = "net:load_parameters(values)",
  clone = "net:copy()", deepcopy = "net:copy()",
  register_parameter = "net:register(name, x)",
  add_module = "net:register(name, module)", register_module = "net:register(name, module)",
  getParameters = "net:parameters()", zeroGradParameters = "net:zero_grad()",
  cuda = "not needed: torus runs on CPUs",
  requires_grad_ = "p.requires_grad of each parameter p",
  named_children = "the fields of the module", named_modules = "the fields of the module",
}

--- Methods that belong to a part of a data set, or to something else made from it.
M.dataset = {
  batch = "set.train:batch(indices)", clean = "set.train:clean(indices)",
  states = "set.train:states(indices)", windows = "set.train:windows(indices, starts, count)",
  size = "set.train.size", frames = "set.train:batch(indices)",
  batches = "set.train:batch(order:next()) of torus.data.order",
}

--- Names of torus.linalg.
M.linalg = {
  expm = "torus.linalg.matrix_exp(A)",
  inv = "torus.linalg.inverse(A)", eigvals = "torus.linalg.eig(A)",
  eigvalsh = "torus.linalg.eigh(A)",
  norm = "x:norm { ... }", vector_norm = "x:norm { ... }",
  matrix_norm = "x:norm { dim = { -2, -1 } }",
  lu = "torus.linalg.solve(A, B)", lu_factor = "torus.linalg.solve(A, B)",
  svdvals = "select(2, torus.linalg.svd(A))", matmul = "x:matmul(y)", cross = "x:cross(y)",
  matrix_rank = "the singular values of torus.linalg.svd(A)",
  cond = "the singular values of torus.linalg.svd(A)", trace = "x:trace()",
  cholesky_solve = "torus.linalg.solve_triangular twice", kron = "a:kron(b)",
  triangular_solve = "torus.linalg.solve_triangular(A, B)",
}

--- Returns the part of a message that names what is called otherwise here.
-- @tparam string owner "tensor", "torus", or a part of torus
-- @tparam string name
-- @treturn ?string `; here it is x:copy()`
-- @usage
-- elsewhere = require "torus.elsewhere"
-- print(elsewhere.hint("tensor", "clone"))   -- ; here it is x:copy()
function M.hint(owner, name)
  local names = M[owner]
  local text = type(names) == "table" and names[name]
    or owner == "torus" and type(names) == "table" and M.tensor[name]
  return text and "; here it is " .. text or nil
end

return M
