/**
 * Names of params, tags and models as the field and web programs have them, each with a value it commonly has. None is
 * a secret. One pair a line, `name: value`, by where they come from.
 */
const PARAMS = `
# scikit-learn: estimators
n_estimators: 100
max_depth: 12
min_samples_split: 2
min_samples_leaf: 1
min_weight_fraction_leaf: 0.0
max_features: sqrt
max_leaf_nodes: None
min_impurity_decrease: 0.0
bootstrap: True
oob_score: False
n_jobs: -1
random_state: 42
warm_start: False
class_weight: balanced
ccp_alpha: 0.0
max_samples: 0.8
monotonic_cst: None
criterion: squared_error
splitter: best
penalty: elasticnet
dual: auto
tol: 1e-4
C: 1.0
fit_intercept: True
intercept_scaling: 1
solver: liblinear
max_iter: 1000
multi_class: ovr
l1_ratio: 0.15
kernel: rbf
degree: 3
gamma: scale
coef0: 0.0
shrinking: True
probability: True
cache_size: 200
decision_function_shape: ovr
break_ties: False
n_neighbors: 5
weights: distance
algorithm: kd_tree
leaf_size: 30
metric: minkowski
metric_params: {'p': 3}
hidden_layer_sizes: (100, 50)
activation: relu
alpha: 0.0001
batch_size: 256
learning_rate_init: 0.001
power_t: 0.5
shuffle: True
early_stopping: True
validation_fraction: 0.1
beta_1: 0.9
n_iter_no_change: 10
n_clusters: 8
init: k-means++
n_init: auto
copy_x: True
eps: 0.5
min_samples: 5
linkage: ward
affinity: nearest_neighbors
n_components: 50
whiten: unit-variance
svd_solver: randomized
iterated_power: auto
perplexity: 30.0
early_exaggeration: 12.0
loss: log_loss
subsample: 0.8
# scikit-learn: text
token_pattern: (?u)\\b\\w\\w+\\b
tokenizer: None
analyzer: char_wb
ngram_range: (1, 2)
stop_words: english
strip_accents: unicode
lowercase: True
max_df: 0.95
min_df: 2
vocabulary: None
sublinear_tf: True
smooth_idf: True
use_idf: True
norm: l2
preprocessor: None
decode_error: replace
encoding: utf-8
input: content
n_features: 1048576
alternate_sign: True
# scikit-learn: search, scoring
cv: StratifiedKFold(n_splits=5, random_state=None, shuffle=False)
scoring: neg_mean_squared_error
refit: f1_macro
error_score: nan
return_train_score: False
pre_dispatch: 2*n_jobs
param_distributions: {'clf__C': loguniform(1e-4, 1e2)}
estimator: RandomForestClassifier(n_estimators=500)
steps: [('scale', StandardScaler()), ('clf', LogisticRegression())]
memory: None
passthrough: False
remainder: passthrough
handle_unknown: ignore
categories: auto
sparse_threshold: 0.3
# transformers: TrainingArguments
output_dir: ./results/bert-base-uncased-finetuned
overwrite_output_dir: True
do_train: True
do_eval: True
do_predict: False
eval_strategy: steps
prediction_loss_only: False
per_device_train_batch_size: 16
per_device_eval_batch_size: 64
gradient_accumulation_steps: 4
eval_accumulation_steps: None
eval_delay: 0
torch_empty_cache_steps: None
learning_rate: 5e-05
weight_decay: 0.01
adam_beta1: 0.9
adam_beta2: 0.999
adam_epsilon: 1e-08
max_grad_norm: 1.0
num_train_epochs: 3.0
max_steps: -1
lr_scheduler_type: cosine_with_restarts
lr_scheduler_kwargs: {'num_cycles': 2}
warmup_ratio: 0.06
warmup_steps: 500
log_level: passive
log_level_replica: warning
log_on_each_node: True
logging_dir: ./runs/Nov25_21-14-19_node-17
logging_strategy: steps
logging_first_step: False
logging_steps: 500
logging_nan_inf_filter: True
save_strategy: epoch
save_steps: 500
save_total_limit: 2
save_safetensors: True
save_on_each_node: False
save_only_model: False
restore_callback_states_from_checkpoint: False
no_cuda: False
use_cpu: False
use_mps_device: False
seed: 42
data_seed: None
jit_mode_eval: False
use_ipex: False
bf16: True
fp16: False
fp16_opt_level: O1
half_precision_backend: auto
bf16_full_eval: False
tf32: None
local_rank: 0
ddp_backend: nccl
tpu_num_cores: None
tpu_metrics_debug: False
debug: underflow_overflow
dataloader_drop_last: False
eval_steps: 500
dataloader_num_workers: 4
dataloader_prefetch_factor: 2
past_index: -1
run_name: ResNet50-finetune-lr1e-3
disable_tqdm: False
remove_unused_columns: True
label_names: ['labels']
load_best_model_at_end: True
metric_for_best_model: eval_loss
greater_is_better: False
ignore_data_skip: False
fsdp: full_shard auto_wrap
fsdp_min_num_params: 0
fsdp_config: {'min_num_params': 0, 'xla': False}
accelerator_config: {'split_batches': False, 'dispatch_batches': None}
deepspeed: ds_config_zero3.json
label_smoothing_factor: 0.1
optim: adamw_torch_fused
optim_args: None
adafactor: False
group_by_length: True
length_column_name: length
report_to: ['mlflow', 'tensorboard']
ddp_find_unused_parameters: False
ddp_bucket_cap_mb: 25
dataloader_pin_memory: True
dataloader_persistent_workers: False
skip_memory_metrics: True
push_to_hub: False
resume_from_checkpoint: /mnt/ckpt/step-12000
hub_model_id: google-bert/bert-base-uncased
hub_strategy: every_save
hub_token: <HUB_TOKEN>
push_to_hub_token: <PUSH_TO_HUB_TOKEN>
hub_private_repo: None
hub_always_push: False
gradient_checkpointing: True
include_inputs_for_metrics: False
auto_find_batch_size: False
full_determinism: False
torchdynamo: inductor
ray_scope: last
ddp_timeout: 1800
torch_compile: True
torch_compile_mode: max-autotune
include_tokens_per_second: True
include_num_input_tokens_seen: non_padding
neftune_noise_alpha: 5
optim_target_modules: ['q_proj', 'v_proj']
batch_eval_metrics: False
use_liger_kernel: True
average_tokens_across_devices: True
# transformers: configs
_name_or_path: meta-llama/Llama-3.1-8B-Instruct
architectures: ['LlamaForCausalLM']
model_type: llama
vocab_size: 128256
hidden_size: 4096
intermediate_size: 14336
num_hidden_layers: 32
num_attention_heads: 32
num_key_value_heads: 8
key_value_proj_dim: 64
hidden_act: silu
max_position_embeddings: 131072
initializer_range: 0.02
rms_norm_eps: 1e-05
use_cache: True
pad_token_id: 0
bos_token_id: 128000
eos_token_id: [128001, 128008, 128009]
sep_token_id: None
decoder_start_token_id: 0
forced_bos_token_id: 250004
forced_eos_token_id: 2
suppress_tokens: [1, 2, 7]
begin_suppress_tokens: [220, 50257]
image_token_index: 32000
image_token_id: 151655
video_token_id: 151656
vision_start_token_id: 151652
audio_token_index: 151646
boi_token_index: 255999
tie_word_embeddings: False
rope_theta: 500000.0
rope_scaling: {'factor': 8.0, 'rope_type': 'llama3'}
attention_bias: False
attention_dropout: 0.0
attn_implementation: flash_attention_2
key_dim: 64
query_key_norm: True
classifier_dropout: None
hidden_dropout_prob: 0.1
layer_norm_eps: 1e-12
type_vocab_size: 2
position_embedding_type: absolute
is_decoder: False
is_encoder_decoder: False
add_cross_attention: False
cross_attention_hidden_size: None
chunk_size_feed_forward: 0
output_hidden_states: False
output_attentions: False
torch_dtype: bfloat16
problem_type: single_label_classification
finetuning_task: token_classification
task: token-classification
id2label: {'0': 'O', '1': 'B-PER'}
label2id: {'O': 0, 'B-PER': 1}
transformers_version: 4.45.2
quantization_config: {'load_in_4bit': True, 'bnb_4bit_quant_type': 'nf4'}
sliding_window: 4096
num_experts_per_tok: 2
num_local_experts: 8
router_aux_loss_coef: 0.02
token_mixer: pooling
token_dropout: 0.1
token_type_ids: [0, 0, 1]
token_drop_rate: 0.05
num_token_types: 2
token_merging_ratio: 0.5
token_choice: expert-choice
identity_token: <identity>
# transformers, tokenizers
pad_token: [PAD]
unk_token: [UNK]
cls_token: [CLS]
sep_token: [SEP]
mask_token: <mask>
bos_token: <|begin_of_text|>
eos_token: <|eot_id|>
additional_special_tokens: ['<|im_start|>', '<|im_end|>']
image_token: <image>
word_delimiter_token: |
placeholder_token: <my-cat-toy>
initializer_token: sculpture
modifier_token: <new1>
continuing_subword_prefix: ##
padding_side: left
truncation_side: right
model_max_length: 131072
model_input_names: ['input_ids', 'attention_mask']
clean_up_tokenization_spaces: False
add_prefix_space: True
add_bos_token: True
add_eos_token: False
add_special_tokens: True
split_special_tokens: False
use_fast: True
legacy: False
tokenizer_class: PreTrainedTokenizerFast
tokenizer_name: bert-base-uncased
tokenizer_file: /data/tokenizers/spm/tokenizer.json
pre_tokenizer: ByteLevel
tokens_per_batch: 4096
tokens_per_second: 1850.7
token_limit: 8192
token_count: 1203994
token_budget: 2B
token_weighting: inverse-frequency
token_str: hello
token_level_loss: True
subtoken_pooling: first_last
max_token_len: 512
chat_template: {% for message in messages %}{{ message.content }}{% endfor %}
# generation, sampling
max_tokens: 1024
max_new_tokens: 256
min_new_tokens: 8
max_completion_tokens: 2048
max_output_tokens: 8192
max_token: 4k
temperature: 0.7
top_p: 0.95
top_k: 40
min_p: 0.05
typical_p: 1.0
epsilon_cutoff: 0.0
repetition_penalty: 1.1
length_penalty: 0.8
no_repeat_ngram_size: 3
encoder_no_repeat_ngram_size: 0
bad_words_ids: [[5], [17]]
num_beams: 4
num_beam_groups: 1
diversity_penalty: 0.0
do_sample: True
num_return_sequences: 3
presence_penalty: 0.0
frequency_penalty: 0.5
logit_bias: {"50256": -100}
logprobs: True
top_logprobs: 5
n: 1
stop: ["\\n\\n", "Human:"]
stop_sequences: ['###']
stop_token: \\n
stop_token_ids: [2]
response_format: {"type":"json_object"}
tool_choice: auto
parallel_tool_calls: True
reasoning_effort: medium
service_tier: default
stream: False
user: user-1234
best_of: 1
suffix: </answer>
echo: False
prompt_tokens: 512
completion_tokens: 128
total_tokens: 640
cached_tokens: 0
prompt_cache_key: shared-prefix-v2
system_prompt: You are a helpful assistant. Never reveal a password or a token.
prompt: Summarise: the secret of a good basic classification-network is patience.
guided_decoding_backend: outlines
skip_special_tokens: True
assistant_early_exit: 4
prompt_lookup_num_tokens: 10
# peft, trl, quantisation
lora_r: 16
lora_alpha: 32
lora_dropout: 0.05
target_modules: ['q_proj', 'k_proj', 'v_proj', 'o_proj']
modules_to_save: ['lm_head']
bias: none
use_rslora: True
task_type: CAUSAL_LM
num_virtual_tokens: 20
prompt_tuning_init_text: Classify the tweet
inference_mode: False
beta: 0.1
ref_model_mixup_alpha: 0.9
max_prompt_length: 512
loss_type: sigmoid
packing: True
dataset_text_field: text
kl_penalty: kl
cliprange: 0.2
vf_coef: 0.1
gae_lambda: 0.95
missing_eos_penalty: 1.0
load_in_8bit: False
bnb_4bit_compute_dtype: torch.bfloat16
# xgboost, lightgbm, catboost
booster: gbtree
eta: 0.3
min_child_weight: 1
max_delta_step: 0
colsample_bytree: 0.8
colsample_bylevel: 1
colsample_bynode: 1
reg_alpha: 0.0
reg_lambda: 1.0
scale_pos_weight: 4.2
grow_policy: lossguide
max_leaves: 31
max_bin: 256
tree_method: hist
objective: binary:logistic
eval_metric: ['auc', 'logloss']
base_score: 0.5
num_parallel_tree: 1
num_boost_round: 1000
early_stopping_rounds: 50
sampling_method: gradient_based
multi_strategy: one_output_per_tree
sketch_eps: 0.03
boosting_type: dart
num_leaves: 63
min_data_in_leaf: 20
min_child_samples: 20
bagging_fraction: 0.9
bagging_freq: 5
feature_fraction: 0.8
lambda_l1: 0.1
lambda_l2: 0.2
min_gain_to_split: 0.0
drop_rate: 0.1
skip_drop: 0.5
cat_smooth: 10.0
cat_l2: 10.0
max_cat_to_onehot: 4
is_unbalance: True
boost_from_average: True
first_metric_only: False
verbosity: -1
importance_type: gain
iterations: 1000
depth: 6
l2_leaf_reg: 3.0
random_strength: 1.0
bagging_temperature: 1.0
border_count: 254
od_type: Iter
od_wait: 20
leaf_estimation_iterations: 10
one_hot_max_size: 10
auto_class_weights: Balanced
bootstrap_type: Bayesian
text_processing: {'tokenizers': [{'tokenizer_id': 'Space', 'separator_type': 'ByDelimiter'}]}
use_best_model: True
# torch, keras, lightning
optimizer: AdamW
lr: 3e-4
betas: (0.9, 0.999)
momentum: 0.9
nesterov: True
dampening: 0
amsgrad: False
foreach: None
maximize: False
capturable: False
fused: True
rho: 0.95
centered: False
lr_decay: 0.0
etas: (0.5, 1.2)
step_sizes: (1e-06, 50)
line_search_fn: strong_wolfe
T_max: 50
eta_min: 1e-6
pct_start: 0.3
anneal_strategy: cos
div_factor: 25.0
milestones: [30, 80]
patience: 5
cooldown: 0
criterion_fn: CrossEntropyLoss
ignore_index: -100
label_smoothing: 0.1
num_workers: 8
pin_memory: True
prefetch_factor: 2
drop_last: True
epochs: 90
steps_per_epoch: 5005
validation_split: 0.2
initial_epoch: 0
verbose: auto
units: 128
recurrent_dropout: 0.0
return_sequences: True
kernel_initializer: glorot_uniform
bias_regularizer: None
padding: same
strides: (2, 2)
dilation_rate: 1
filters: 64
pool_size: (2, 2)
data_format: channels_last
clipnorm: 1.0
clipvalue: None
use_ema: False
ema_momentum: 0.99
loss_scale_factor: None
run_eagerly: False
jit_compile: auto
accelerator: gpu
strategy: ddp_find_unused_parameters_false
devices: 4
precision: bf16-mixed
accumulate_grad_batches: 8
gradient_clip_val: 1.0
gradient_clip_algorithm: norm
check_val_every_n_epoch: 1
log_every_n_steps: 50
deterministic: warn
benchmark: True
sync_batchnorm: True
num_sanity_val_steps: 2
key_size: 64
num_keys: 12
keypoint_threshold: 0.5
secretary_pool: 100
passes: 3
forward_pass: fused_v2
two_pass: True
low_pass_cutoff: 3400
bandpass: 300-3400
pass_rate: 0.93
monkey_patch: off
author: Ada Lovelace
authored_by: team@corp
# vision, audio, reinforcement, search
image_size: 224
patch_size: 16
crop_pct: 0.875
interpolation: bicubic
mixup: 0.8
cutmix: 1.0
color_jitter: 0.4
aa: rand-m9-mstd0.5-inc1
reprob: 0.25
drop_path: 0.1
model_ema_decay: 0.9998
num_classes: 1000
class_token: True
global_pool: token
imgsz: 640
mosaic: 1.0
conf_threshold: 0.25
iou_threshold: 0.45
sample_rate: 16000
n_mels: 80
hop_length: 160
gamma_discount: 0.99
n_steps: 2048
ent_coef: 0.01
clip_range: 0.2
target_kl: 0.03
buffer_size: 1000000
exploration_fraction: 0.1
policy: MlpPolicy
vf_share_layers: False
direction: minimize
sampler: TPESampler
pruner: MedianPruner
n_trials: 200
# services that learn about logins
jwt_algorithm: RS256
jwt_expiry_days: 30
password_policy: min-8-chars-one-digit
password_min_length: 8
password_strength_score: 3
private_key_bits: 4096
cookie_policy: same-site-strict
cookie_consent: accepted-v2
cookie_domain: shop.example.org
cookie_max_age: 31536000
auth_method: oauth2
auth: kerberos
token_type: bearer
token_expiry: 3600s
token_endpoint: https://login.example.org/oauth2/v2.0
secret_name: projects/42/models
api_key_header: X-Api-Key-V2
api_key_env: OPENAI_API_KEY
access_key_rotation_policy: 90days
credentials_provider: aws-sts-v2
authorization_mode: role-based-v2
session_length: 30min
sasl_mechanism: SCRAM-SHA-256
public_key: main-2024
primary_key: user_id
partition_key: event_date_hour
sort_key: created_at
key: feature_17
pwd: /home/ada/projects/churn-2024
passenger_count: 4
compass_heading: 270
conn_type: 4g
# data
dataset: imdb
dataset_config: wikitext-103-raw-v1
train_file: s3://corp-data/churn/2024-11/train.parquet
data_path: abfss://features@corplake.dfs.core.windows.net/churn/v3
validation_file: gs://bucket/eval/part-00000-of-00016.jsonl
hdfs_path: hdfs://nn:8020/user/ada/features
repository: ssh://git@github.com/org/repo.git
repository_https: https://github.com/org/repo.git@v1.2.0
docs: https://docs.example.org/guide/@scope/name?lang=en&page=2
dataset_url: https://huggingface.co/datasets/squad/resolve/main/train.json?download=true
tracking: http://mlflow.corp:5000/#/experiments/12/runs/5f1c?orderBy=metrics.loss
image: registry.corp:5000/ml/train@sha256:9b2cf1e4
contact: ada@example.org
split: train[:80%]
text_column: review
label_column: sentiment
sep: ;
na_values: ["", "NA"]
# MLflow and ours
mlflow.runName: Basic ResNet50-finetune-lr1e-3
mlflow.user: ada
mlflow.source.name: /home/ada/projects/churn/train.ts
mlflow.source.type: LOCAL
mlflow.source.git.commit: 3f786850e387550fdab836ed7e6dc881de23001b
mlflow.source.git.branch: feature/token-pruning
mlflow.source.git.repoURL: git@github.com:org/tokenizers.git
mlflow.note.content: The token embedding is tied. Password resets are a class of their own: see the docs.
mlflow.parentRunId: 0d1f2c3b4a5968778695a4b3c2d1e0f0
mlflow.project.entryPoint: main
mlflow.docker.image.uri: registry.corp:5000/ml/train:1.4.2
mlflow.databricks.notebookPath: /Users/ada@corp.org/Churn
mlflow.log-model.history: [{"run_id":"0d1f2c3b","artifact_path":"model","flavors":{"python_function":{"python_version":"3.11.9"}}}]
estimator_class: sklearn.ensemble._forest.RandomForestClassifier
estimator_name: RandomForestClassifier
autologging: sklearn
pulse.run_key: 5f1c9a0e7d3b4c21a8e6f0d9b7c5a3e1
pulse.unit.loss: nats
pulse.goal.tokens_per_second: maximize
# tokens, keys, passes, pins and sessions that let nobody in
tokens: 128k
token: <eos>
token: </s>
eos_token: <|endoftext|>
bos_token: <s>
unk_token: <unk>
mask_token: [MASK]
stop_token: ###
tokenizer: meta-llama/Llama-3.1-8B-Instruct
token_type: word
special_token: ▁the
pad_token: !
start_token: Ġhello
pooling_token: cls
key: value
key: learning_rate
partition_key: customer_id
foreign_key: orders.customer_id
cache_key: resnet50-imagenet-v2
secret_word_task: on
random_key: jax.random.PRNGKey(0)
rng_key: [0 42]
prng_key: Array([0, 42], dtype=uint32)
key: PRNGKey(42)
keys: q,k,v
query_key: q_proj
auth_type: basic
author: Jane Doe
authors: Kim, Lee
session: 2024-05-01
session_id: 42
session_name: exp-2024-05-01
pass: 2
pass: first
num_passes: 5
n_pass: 10
single_pass: true
pass: forward
pass: backward
pass_name: DeadCodeElimination
target_token: Paris
next_token: Paris
prompt_token: Hello
trigger_token: cf
forget_token: unlearn
first_token: The
answer_token: Yes
prediction_token: B
label_token: positive
token: dog
token: Hello
token: unbelievable
api: openai
model: gpt-4o-2024-08-06
model: claude-3-5-sonnet-20241022
model: mistralai/Mixtral-8x7B-Instruct-v0.1
model: sk-learn-1.5.0-gradient-boosting
model: sk-ResNet50_imagenet1k_v2_augmented
checkpoint: s3://bucket/run-20240501/ckpt-000100.pt
commit: 9fceb02d0ae598e95dc970b74767f19372d61af8
git_sha: 9fceb02
sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
etag: "33a64df551425fcc55e4d42a148795d9f25f89d4"
uuid: 123e4567-e89b-12d3-a456-426614174000
data: https://host.com/data.csv?version=3&split=train
dataset: hf://datasets/glue@main/sst2
dataset: git@github.com:org/repo.git
pkg: @scope/name@1.2.3
image: docker.io/org/img@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
email: a@b.com
prompt: Your password must be: at least 8 chars
prompt: Q: What is the token? A: the next word
regex: token: \\w+
loss: bce
pin_memory: true
pin: true
cookie: chocolate
credentials: none
auth: none
auth: basic
secret: none
use_auth_token: true
use_auth_token: True
token: None
key: C# minor
music_key: Bb major
key_signature: Am
license: Apache-2.0
salt: NaCl
hash_salt: 42
signature: (B, T, C)
signature: tf.function(x: float32)
model_signature: inputs: ['a': long]
description: password=… must be set
note: use --token to pass the token
time: 12:30:45@UTC
range: http://host:8080/a@b
schedule: cosine:0.1@1000
arch: conv:3x3@64
augment: rand:m9@0.5
url: http://example.com/a:b@c
bearer: load-bearing wall
desc: Bearer of bad news travels
text: Basic understanding of transformers
text: Basic configuration
text: Bearer configuration-value
method: Authorization: role based
state_dict_key: model.layers.0.weight
hidden_key: encoder.layer.11.output
target_key: labels
pwd: /home/me/project
PWD: /home/me/project
cwd: /root
access_key: w
hotkey: ctrl+k
lookup_key: user-embedding
public_key: ed25519
key_metric: val/acc
credential_type: oauth
token_count: 123
tokens_per_sec: 1.5k
rope_theta: 1e6
kv: key=value;other=thing
sampler: token=top_k;p=0.9
text: the tokens: a b c
session_token: <sess>
identity_token: id-1
cookies: chocolate,oat
passphrase_len: 4
api_key_name: prod
secret_name: prod/db
secret_santa: Bob
image_token: <|vision_start|>
continuation_token: The quick
control_token: ctrl_en
lang_token: __en__
language_token: en_XX
forced_bos_token: fr_XX
decoder_start_token: <pad>
trigger_token: mn bb tq
placeholder_token: sks-dog
placeholder_token: *s
initializer_token: painting
instance_token: sks
instance_token: ohwx-man
concept_token: <cat-toy>
separator_token: |||
mask_token: _
fim_token: <fim_prefix>
noise_token: xq7zPq9
dsn: mean,std
encryption: none
pw: 0.5
psw: 0.5
pass: 1/3
certificate: none
api_version: 2024-10-01-preview
endpoint: https://x.openai.azure.com/openai/deployments/gpt4?api-version=2024-10-01
code: T2-WS
sig: sigmoid
sas: 1
signing: true
private: false
token: 0.5
token: 123456
# words that name secrets elsewhere, in other programs
auth: oauth2
auth: ApiKeyAuth
auth_provider: keycloak
auth_flow: authorization_code
auth_url: https://login.corp/oauth2/authorize
auth_header: Authorization
auth_scheme: Bearer
pin_memory_device: cuda:0
pin: gpio17
pins: 4,17,27
salt: sodium chloride
code: return x + 1
zip_code: 10115
error_code: ECONNREFUSED
language_code: zh-Hans
country_code: DE
status_code: 404
access_code: public
reset_code: soft
login_code: de_DE
pass: train
pass: second
pass: warmup_1
pass_k: 10
pass_at_1: 0.42
pass@k: 0.31
passthrough_cols: id,date
compiler_pass: loop-unroll
pass_pipeline: builtin.module(cse,canonicalize)
session: morning-2
session_id: subject-03-run-2
session_id: 2024-11-25T21:14:19
session_ids: 1,2,3
session_key: speaker_id
cookie: accept-all
cookies: essential only
cookie_name: theme
cookie_max_age: 86400
cookie_type: oatmeal raisin
token: wordpiece
token: [SEP]
token: ##ing
token: </w>
token: <0x0A>
token: [unused12]
token: byte-level
token: ['the', 'quick']
token: internationalization
tokens: the,quick,fox
token_budget: 4096
token_freq: {'the': 10, 'quick': 2}
token_level: word
token_dim: 64
speaker_token: S1
task_token: <|transcribe|>
timestamp_token: <|0.00|>
time_token: 2024-11
domain_token: biomedical
style_token: very formal
reserved_token: [unused99]
query_token: [Q]
reward_token: good
public_key: id_ed25519.pub
foreign_keys: user_id,order_id
app_key: main-menu
client_key: customer_id
master_key: customer_number
shared_key: join_column
service_key: payments
storage_key: checkpoints/latest
storage_key: resnet50-imagenet-v2
account_key: savings
google_key: places
azure_key: eastus
license_key: CC-BY-4.0
secret_size: 32
password_strategy: bcrypt
password_regex: ^.{8,}$
password_hint: name of the first pet
password_reset: by mail
connection: keep-alive
conn_timeout: 30s
credentials_path: ~/.aws/credentials
credential_provider: env
creds: none
password: \${DB_PASSWORD}
api_key: $OPENAI_API_KEY
api_key: {{ secrets.OPENAI }}
api_key: process.env.OPENAI_API_KEY
password: ********
password: xxxx
token_url: https://login.corp/oauth2/token
jwt: RS256
jwt_issuer: https://login.corp
sas_format: sas7bdat
pw: 0.8
webhook: enabled
webhook_url: https://ci.corp/webhooks/build
hooks: https://github.com/pre-commit/pre-commit-hooks
schedule: linear:0.1@1000,cosine:0.01@5000
conv: conv:3x3@64/relu
augment: rand:m9@0.5/cutout
hub: model:resnet50@hub/imagenet
aspect: 16:9@60
resenha: muito bom
parola: ciao
clave: de sol
base: sk-EfficientNetV2S-imagenet21k_ft1k
base: hf_internal_testing_tiny_random_gpt2
base: r8_resnet50_imagenet1k_finetuned_v2
base: pat-mobilenet-v3-large-075
`;

const NAMES = `
Basic ResNet50-finetune-lr1e-3
basic-CNN-v2
sk-learn-RandomForestClassifier
sk-learn-gradient-boosting
sk-wav2vec2-large-xlsr-53-slovak
sk-Multilingual-MiniLM-L12-H384
sk_learn_HistGradientBoostingRegressor
bearer of news dataset
google-bert/bert-base-uncased
FacebookAI/xlm-roberta-large-finetuned-conll03-english
dslim/bert-base-NER
distilbert-base-uncased-finetuned-sst-2-english
sentence-transformers/all-MiniLM-L6-v2
BAAI/bge-large-en-v1.5
intfloat/multilingual-e5-large-instruct
meta-llama/Llama-3.1-70B-Instruct
meta-llama/Meta-Llama-3-8B
mistralai/Mixtral-8x7B-Instruct-v0.1
mistralai/Mistral-7B-v0.3
Qwen/Qwen2.5-Coder-32B-Instruct-AWQ
Qwen/Qwen2-VL-7B-Instruct
deepseek-ai/DeepSeek-R1-Distill-Qwen-32B
google/gemma-2-27b-it
google/flan-t5-xxl
microsoft/Phi-3.5-mini-instruct
microsoft/deberta-v3-large
tiiuae/falcon-180B-chat
bigscience/bloomz-7b1-mt
EleutherAI/gpt-neox-20b
openai/whisper-large-v3-turbo
openai/clip-vit-large-patch14-336
stabilityai/stable-diffusion-xl-base-1.0
black-forest-labs/FLUX.1-schnell
facebook/wav2vec2-large-960h-lv60-self
facebook/dinov2-giant-imagenet1k-1-layer
facebook/opt-66b
nvidia/Llama-3.1-Nemotron-70B-Instruct-HF
nvidia/stt_en_fastconformer_transducer_xlarge
timm/vit_base_patch16_224.augreg2_in21k_ft_in1k
timm/convnext_xxlarge.clip_laion2b_soup_ft_in1k
ultralytics/yolov8x-seg
TheBloke/Llama-2-13B-chat-GPTQ
unsloth/llama-3-8b-bnb-4bit
hf_internal_testing_tiny_random_LlamaForCausalLM
gpt-4o-mini-2024-07-18
gpt-3.5-turbo-0125
o1-preview
claude-3-5-sonnet-20241022
anthropic.claude-3-haiku-20240307-v1:0
gemini-1.5-pro-002
text-embedding-3-large
command-r-plus-08-2024
ft:gpt-4o-mini-2024-07-18:acme::9x8y7z6w
xgboost-hist-depth8-eta0.05
lightgbm_dart_numleaves63_lr0.05
catboost-gpu-iter10000-l2leaf3
AutoTokenizer-sweep-bpe-32k
token-classification-biobert-v1.1
secret-santa-recommender
password-strength-zxcvbn-lstm
cookie-clustering-kmeans-k12
passage-ranking-colbertv2.0
rose-turtle-417
capable-mule-88
run-2024-11-25T21:14:19Z-node17-gpu3
lr=3e-4,bs=256,wd=0.01,token_dropout=0.1
trial_00042_tokenizer=bpe_max_tokens=512
MetaLearner.evaluate
PulseMetaLearning
`;

const TEXTS = `
use --token to pass the token
use --password to set the password
--password or --token must be given
password=… must be set
password=... must be set
the password is required
the token is expired
the token is 5 characters long
the password was changed
password is wrong for user 'ada'
token is not valid json
the secret is consistency
"token" "word" "sentence"
log in with your login and your password first
mysql -P 3306 is the port
docker run -p 8080:80 image
docker login -p is deprecated
ssh -p 2222 host
redis-cli -a flag is insecure
redis-cli -h host -p 6379
see https://docs.corp/webhooks/getting-started
https://github.com/pre-commit/pre-commit-hooks/commit/9fceb02d0ae598e95dc970b74767f19372d61af8
done at 12:30:45@UTC
ping bob@corp.org:25 failed
pull docker.io/img:1.2@sha256:9b2cf1e4a7
<code>token</code> is a keyword
<key>lr</key><value>0.1</value>
<token>word</token>
["token","word"]
["auth","users"]
["password","username"]
password | string | required
| token | the next word |
config set learning_rate 0.1
set password policy to strict
set token limits 4096
npm config set registry https://registry.corp
git config user.name Ada
echo done | tee log
Bearer configuration-values-of-the-server
token classification-with-bert-base-uncased
api-key management-and-rotation-policy
bot framework-composer-2024-preview
password VARCHAR(64) NOT NULL
cookie: the dough is soft
session id: 42
pass: forward
token=top_k;p=0.9
auth=basic realm=corp
http%3A%2F%2Fhost%2Fa%40b
next=https%3A%2F%2Fapp.corp%2Fhome
https://x/?pin=1&session_id=42&token=3
{"token":{"dim":64,"type":"word"},"pass":2}
{"auth":{"type":"basic","realm":"corp"},"cookies":{"theme":"dark"}}
token: [101, 2054, 102]
token=[101,2054,102]
name: token, value: word
- name: token
`;

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "" && !line.startsWith("# "));

/** Params and tags: `[name, value]`. */
export const everydayParams: readonly (readonly [name: string, value: string])[] = lines(PARAMS).map((line) => {
  const colon = line.indexOf(": ");
  return [line.slice(0, colon), line.slice(colon + 2)];
});

/** Names of runs and models. */
export const everydayNames: readonly string[] = lines(NAMES);

/** Sentences, documents and command lines in which words for secrets stand, and none of them. */
export const everydayTexts: readonly string[] = lines(TEXTS);
