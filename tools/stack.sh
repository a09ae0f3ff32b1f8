# shellcheck shell=bash
# What `tools/deploy` and `tools/destroy` share: which stack it is, and the way to AWS; to be sourced.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# Secrets pass through here. Whoever asked for a trace gets none.
set +x

# absolute VARIABLE FILE: the file where the caller means it; the scripts work elsewhere.
absolute() {
  [ -e "$2" ] || fail "$1: there is no file $2"
  printf '%s/%s\n' "$(cd "$(dirname "$2")" && pwd)" "$(basename "$2")"
}
samconfig=$(absolute SAMCONFIG "${SAMCONFIG:-$root/samconfig.toml}")
# A template that is built already, such as by another machine; else `sam build` makes it of template.yaml.
template=$(absolute TEMPLATE "${TEMPLATE:-$root/template.yaml}")
export SAMCONFIG=$samconfig TEMPLATE=${TEMPLATE:+$template}

announce() { printf '==> %s\n' "$*"; }

# reach_aws ARGUMENT…: goes on with the tools on the path, or stops in one line. What can be seen for nothing is looked at
# before anything is installed for it.
reach_aws() {
  if [ -z "${LASTSEEN_TOOLS:-}" ]; then
    has_signs_of_credentials || fail "there are no AWS credentials here. Run \`aws configure\`, or set AWS_PROFILE to a profile that you have"
    LASTSEEN_TOOLS=1 exec "$root/tools/lambda" "$root/tools/$(basename "$0")" "$@"
  fi
  export AWS_PAGER='' AWS_CLI_AUTO_PROMPT=off
  read_config
}

has_signs_of_credentials() {
  [ -n "${AWS_ACCESS_KEY_ID:-}${AWS_PROFILE:-}${AWS_WEB_IDENTITY_TOKEN_FILE:-}" ] ||
    [ -n "${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-}${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}" ] ||
    [ -s "${AWS_SHARED_CREDENTIALS_FILE:-${HOME:-}/.aws/credentials}" ] || [ -s "${AWS_CONFIG_FILE:-${HOME:-}/.aws/config}" ] ||
    { [ "${AWS_EC2_METADATA_DISABLED:-}" != true ] && grep -qs 'Amazon EC2' /sys/class/dmi/id/sys_vendor; }
}

# read_config: samconfig.toml, with the template's defaults for what it leaves out. Sets stack, and the region of every call.
read_config() {
  config=$(python "$root/tools/samconfig" "$samconfig" show "$template")
  stack=$(setting stack_name)
  [ -n "$stack" ] || fail "$samconfig names no stack: set stack_name in [default.global.parameters]"
  # Functions at the edge are called like it, with a little more, in 64 characters; SSM takes no path that begins with these.
  [[ $stack =~ ^[A-Za-z][A-Za-z0-9-]{0,58}$ && ! ${stack,,} =~ ^(aws|ssm) ]] ||
    fail "stack_name: $stack is not a letter with at most 58 letters, digits and hyphens after it, or begins with aws or ssm"
  region=$(setting region)
  # Where nothing is said yet: the one that CloudFront's certificates and web ACLs are made in.
  AWS_REGION=${region:-${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region 2>/dev/null || echo us-east-1)}}}
  export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION
}

# setting NAME: of samconfig.toml; a parameter's by its name in the template.
setting() { sed -n "s/^$1=//p" <<<"$config"; }

# check_credentials: who we are to AWS, in account; or stops.
check_credentials() {
  account=$(aws sts get-caller-identity --query Account --output text 2>&1) ||
    fail "AWS does not take the credentials: ${account##*$'\n'}. Log in again, or set AWS_PROFILE"
}

# output NAME: of the stack; nothing where it has none of this name.
output() {
  local found
  found=$(aws cloudformation describe-stacks --stack-name "$stack" \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text) ||
    fail "there is no stack $stack in $AWS_REGION to ask. Run: tools/deploy stack"
  printf '%s\n' "${found/#None/}"
}

# live PARAMETER: what the stack has it at; nothing where there is no stack.
live() {
  aws cloudformation describe-stacks --stack-name "$stack" \
    --query "Stacks[0].Parameters[?ParameterKey=='$1'].ParameterValue" --output text 2>/dev/null || true
}

# empty_bucket: the site's, where there is one; CloudFormation deletes none that holds anything.
empty_bucket() {
  local bucket
  bucket=$(aws cloudformation describe-stack-resource --stack-name "$stack" --logical-resource-id SiteBucket \
    --query StackResourceDetail.PhysicalResourceId --output text 2>/dev/null) || return 0
  if [ -n "$bucket" ] && aws s3api head-bucket --bucket "$bucket" >/dev/null 2>&1; then
    aws s3 rm "s3://$bucket" --recursive --only-show-errors
  fi
}
