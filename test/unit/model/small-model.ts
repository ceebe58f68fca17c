// A model that a person can compute: two trees over an amount, an hour and a way to pay.
export const smallModel = `tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=2
objective=binary sigmoid:1
feature_names=amount hour payment_method
feature_infos=[0:5000] [0:23] -1:1:0:2
tree_sizes=300 300

Tree=0
num_leaves=3
num_cat=0
split_feature=0 1
threshold=1000 22.5
decision_type=10 8
left_child=1 -1
right_child=-2 -3
leaf_value=-2 1 0.5
is_linear=0
shrinkage=1


Tree=1
num_leaves=2
num_cat=1
split_feature=2
threshold=0
decision_type=1
left_child=-1
right_child=-2
leaf_value=2 -1
cat_boundaries=0 1
cat_threshold=2
is_linear=0
shrinkage=0.1


end of trees

feature_importances:
amount=1

pandas_categorical:[["card", "crypto", "wallet"]]
`

/** By hand: what the leaves of its trees add up to. Missing amounts go left, missing hours right. */
export function smallModelRaw(amount: number | null, hour: number | null, method: string | null): number {
  const first = amount !== null && amount > 1000 ? 1 : hour !== null && hour <= 22.5 ? -2 : 0.5
  return first + (method === 'crypto' ? 2 : -1)
}
