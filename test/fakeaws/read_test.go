package fakeaws_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

func TestGetSecretValue(t *testing.T) {
	w := newWorld(t)
	arns := map[string]string{}
	for _, s := range []fakeaws.Secret{
		{Name: "plain", String: "a value"},
		{Name: "empty"},
		{Name: "binary", Binary: []byte{0, 1, 0xff}},
		{Name: "ends-abc123", String: "a value"},
		{Name: "deleted", String: "x", State: fakeaws.BeingDeleted},
		{Name: "pending", String: "x", State: fakeaws.PendingOnly},
		{Name: "encrypted", String: "x", State: fakeaws.Undecryptable},
		{Name: "denied", String: "x", State: fakeaws.Denied},
	} {
		arns[s.Name] = w.own.Put(region, s)
	}
	partial := "arn:aws:secretsmanager:eu-central-1:111122223333:secret:"
	for _, test := range []struct {
		id   string
		want string
		code string
	}{
		{id: "plain", want: "a value"},
		{id: "empty", want: ""},
		{id: arns["plain"], want: "a value"},
		{id: partial + "plain", want: "a value"},
		{id: "binary", want: "\x00\x01\xff"},
		{id: "ends-abc123", want: "a value"},
		{id: arns["ends-abc123"], want: "a value"},
		{id: partial + "ends-abc123", code: "ResourceNotFoundException"},
		{id: partial + "plain-aaaaaa", code: "ResourceNotFoundException"},
		{id: "Plain", code: "ResourceNotFoundException"},
		{id: "gone", code: "ResourceNotFoundException"},
		{id: "deleted", code: "InvalidRequestException"},
		{id: "pending", code: "ResourceNotFoundException"},
		{id: "encrypted", code: "DecryptionFailure"},
		{id: "denied", code: "AccessDeniedException"},
		{id: arns["denied"], code: "AccessDeniedException"},
	} {
		t.Run(test.id, func(t *testing.T) {
			out, err := w.asOwn().GetSecretValue(t.Context(), get(test.id))
			if code := codeOf(err); code != test.code {
				t.Fatalf("the error is %q, expected %q", code, test.code)
			}
			if err != nil {
				return
			}
			if got := string(out.SecretBinary) + aws.ToString(out.SecretString); got != test.want {
				t.Errorf("the value is %q, expected %q", got, test.want)
			}
			if *out.ARN != arns[*out.Name] {
				t.Errorf("the ARN is %s, expected that of Put, %s", *out.ARN, arns[*out.Name])
			}
		})
	}
}

func TestAStateIsNotForEver(t *testing.T) {
	w := newWorld(t)
	for _, state := range fakeaws.States() {
		w.own.Put(region, fakeaws.Secret{Name: "a", String: "x", State: state})
		if _, err := w.asOwn().GetSecretValue(t.Context(), get("a")); err == nil {
			t.Errorf("the secret can be read in the state %s", state)
		}
		w.own.Put(region, fakeaws.Secret{Name: "a", String: "x"})
		if _, err := w.asOwn().GetSecretValue(t.Context(), get("a")); err != nil {
			t.Errorf("after the state %s: %v", state, err)
		}
	}
}

func TestPutMakesAVersion(t *testing.T) {
	w := newWorld(t)
	for _, value := range []string{"oldest", "old", "new"} {
		w.own.Put(region, fakeaws.Secret{Name: "a", String: value})
	}
	for stage, want := range map[string]string{"AWSCURRENT": "new", "AWSPREVIOUS": "old"} {
		out, err := w.asOwn().GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("a"), VersionStage: &stage})
		if err != nil || *out.SecretString != want {
			t.Errorf("%s: got %v, error %v; expected %q", stage, out, err, want)
		}
	}
}

func TestBatchGetSecretValue(t *testing.T) {
	w := newWorld(t)
	w.own.Put(region, fakeaws.Secret{Name: "good", String: "a value"})
	w.own.Put(region, fakeaws.Secret{Name: "binary", Binary: []byte{1}})
	w.own.Put(region, fakeaws.Secret{Name: "deleted", State: fakeaws.BeingDeleted})
	w.own.Put(region, fakeaws.Secret{Name: "pending", State: fakeaws.PendingOnly})
	w.own.Put(region, fakeaws.Secret{Name: "encrypted", State: fakeaws.Undecryptable})
	w.own.Put(region, fakeaws.Secret{Name: "denied", State: fakeaws.Denied})
	out, err := w.asOwn().BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{
		SecretIdList: []string{"deleted", "good", "gone", "pending", "binary", "encrypted", "denied"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(out.SecretValues), []string{"good", "binary"}; !slices.Equal(got, want) {
		t.Errorf("the batch has %q, expected %q", got, want)
	}
	want := []string{
		"deleted InvalidRequestException", "gone ResourceNotFoundException", "pending ResourceNotFoundException",
		"encrypted DecryptionFailure", "denied AccessDeniedException",
	}
	if got := failures(out.Errors); !slices.Equal(got, want) {
		t.Errorf("the batch has the errors %q, expected %q", got, want)
	}
}

func names(values []types.SecretValueEntry) []string {
	var out []string
	for _, v := range values {
		out = append(out, *v.Name)
	}
	return out
}

func failures(errors []types.APIErrorType) []string {
	var out []string
	for _, e := range errors {
		out = append(out, *e.SecretId+" "+*e.ErrorCode)
	}
	return out
}

func TestBatchLimits(t *testing.T) {
	w := newWorld(t)
	named := []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{"a"}}}
	for _, test := range []struct {
		name string
		in   secretsmanager.BatchGetSecretValueInput
		code string
	}{
		{"20 ids", secretsmanager.BatchGetSecretValueInput{SecretIdList: make([]string, 20)}, ""},
		{"21 ids", secretsmanager.BatchGetSecretValueInput{SecretIdList: make([]string, 21)}, "ValidationException"},
		{"20 by filter", secretsmanager.BatchGetSecretValueInput{Filters: named, MaxResults: aws.Int32(20)}, ""},
		{"21 by filter", secretsmanager.BatchGetSecretValueInput{Filters: named, MaxResults: aws.Int32(21)}, "ValidationException"},
		{"both", secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"a"}, Filters: named}, "InvalidParameterException"},
		{"neither", secretsmanager.BatchGetSecretValueInput{}, "InvalidParameterException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := w.asOwn().BatchGetSecretValue(t.Context(), &test.in)
			if code := codeOf(err); code != test.code {
				t.Errorf("the error is %q, expected %q", code, test.code)
			}
		})
	}
}

func TestListSecretsInPages(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 130 {
		name := fmt.Sprintf("airflow/connections/%03d", i)
		want = append(want, name)
		w.own.Put(region, fakeaws.Secret{Name: name, String: "x"})
	}
	w.own.Put(region, fakeaws.Secret{Name: "airflow/connections-old/x", String: "x"})
	w.own.Put(region, fakeaws.Secret{Name: "airflow/connections/deleted", State: fakeaws.BeingDeleted})
	w.other.Put(region, fakeaws.Secret{Name: "airflow/connections/theirs", String: "x"})
	w.own.Put("us-east-1", fakeaws.Secret{Name: "airflow/connections/elsewhere", String: "x"})
	for _, test := range []struct {
		paging fakeaws.Paging
		ask    int32 // MaxResults
		calls  int
	}{
		{fakeaws.Paging{}, 0, 2},
		{fakeaws.Paging{}, 10, 13},
		{fakeaws.Paging{Size: 50}, 100, 3},
		{fakeaws.Paging{Size: 50, Empty: 2}, 100, 9},
		{fakeaws.Paging{Empty: 1}, 65, 4},
	} {
		t.Run(fmt.Sprintf("%+v %d", test.paging, test.ask), func(t *testing.T) {
			w.Paging(test.paging)
			w.Forget()
			in := &secretsmanager.ListSecretsInput{Filters: []types.Filter{{Key: "name", Values: []string{"airflow/connections/"}}}}
			if test.ask > 0 {
				in.MaxResults = &test.ask
			}
			if got := listAll(t, w.asOwn(), in); !slices.Equal(got, want) {
				t.Errorf("found %d secrets, %q; expected %d", len(got), got, len(want))
			}
			if n := w.Calls("ListSecrets"); n != test.calls {
				t.Errorf("it took %d calls, expected %d", n, test.calls)
			}
		})
	}
}

func listAll(t *testing.T, client *secretsmanager.Client, in *secretsmanager.ListSecretsInput) []string {
	t.Helper()
	var out []string
	for pages := secretsmanager.NewListSecretsPaginator(client, in); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.SecretList {
			out = append(out, *s.Name)
		}
	}
	return out
}

func TestBatchesInPages(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 45 {
		name := fmt.Sprintf("x/%02d", i)
		want = append(want, name)
		w.own.Put(region, fakeaws.Secret{Name: name, String: "x"})
	}
	for _, test := range []struct {
		name   string
		paging fakeaws.Paging
		in     secretsmanager.BatchGetSecretValueInput
		want   []string
		calls  int
	}{
		{"by filter", fakeaws.Paging{}, secretsmanager.BatchGetSecretValueInput{Filters: []types.Filter{{Key: "name", Values: []string{"x/"}}}}, want, 3},
		{"by filter, short and empty", fakeaws.Paging{Size: 15, Empty: 1}, secretsmanager.BatchGetSecretValueInput{Filters: []types.Filter{{Key: "name", Values: []string{"x/"}}}}, want, 6},
		{"by ids", fakeaws.Paging{}, secretsmanager.BatchGetSecretValueInput{SecretIdList: want[:20]}, want[:20], 1},
		{"by ids, short", fakeaws.Paging{Size: 8}, secretsmanager.BatchGetSecretValueInput{SecretIdList: want[:20]}, want[:20], 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.Paging(test.paging)
			w.Forget()
			var got []string
			for pages := secretsmanager.NewBatchGetSecretValuePaginator(w.asOwn(), &test.in); pages.HasMorePages(); {
				page, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, names(page.SecretValues)...)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, expected %q", got, test.want)
			}
			if n := w.Calls("BatchGetSecretValue"); n != test.calls {
				t.Errorf("it took %d calls, expected %d", n, test.calls)
			}
		})
	}
}

func TestSortBy(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"b", "c", "a"} {
		w.own.Put(region, fakeaws.Secret{Name: name, String: "x"})
	}
	for _, test := range []struct {
		by    types.SortByType
		order types.SortOrderType
		want  []string
	}{
		{"", "", []string{"b", "c", "a"}},
		{types.SortByTypeCreatedDate, types.SortOrderTypeDesc, []string{"a", "c", "b"}},
		{types.SortByTypeName, "", []string{"a", "b", "c"}},
		{types.SortByTypeName, types.SortOrderTypeDesc, []string{"c", "b", "a"}},
	} {
		if got := listAll(t, w.asOwn(), &secretsmanager.ListSecretsInput{SortBy: test.by, SortOrder: test.order}); !slices.Equal(got, test.want) {
			t.Errorf("by %q, %q: got %q, expected %q", test.by, test.order, got, test.want)
		}
	}
}

// TestSetUpByTheAPI goes through the operations that change secrets with the SDK, which sends what raw requests of the
// parity test leave to the runner.
func TestSetUpByTheAPI(t *testing.T) {
	w := newWorld(t)
	client := w.asOwn()
	created, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String("one")})
	if err != nil {
		t.Fatal(err)
	}
	if want := newWorld(t).own.Put(region, fakeaws.Secret{Name: "a"}); *created.ARN != want {
		t.Errorf("CreateSecret gave the ARN %s, expected that of Put, %s", *created.ARN, want)
	}
	if _, err := client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: created.ARN, SecretBinary: []byte{1, 2}}); err != nil {
		t.Fatal(err)
	}
	out, err := client.GetSecretValue(t.Context(), get("a"))
	if err != nil || !reflect.DeepEqual(out.SecretBinary, []byte{1, 2}) {
		t.Errorf("got %v, error %v; expected the bytes 1 2", out, err)
	}
	if _, err := client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("a")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetSecretValue(t.Context(), get("a")); codeOf(err) != "InvalidRequestException" {
		t.Errorf("reading what is deleted: %v, expected InvalidRequestException", err)
	}
	if _, err := client.RestoreSecret(t.Context(), &secretsmanager.RestoreSecretInput{SecretId: aws.String("a")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetSecretValue(t.Context(), get("a")); err != nil {
		t.Errorf("reading what is restored: %v", err)
	}
}
