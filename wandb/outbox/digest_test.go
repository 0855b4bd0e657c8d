package outbox

import "testing"

func TestArtifactDigest(t *testing.T) {
	type pair struct{ path, digest string }
	for _, tt := range []struct {
		what    string
		entries []pair
		want    string
	}{
		{"nothing", nil, "64e7c61456b10382e2f3b571ac24b659"},
		{"one file", []pair{{"file1.txt", "XUFAKrxLKna5cZ2REBfFkg=="}}, "a00c2239f036fb656c1dcbf9a32d89b4"},
		{"all kinds", []pair{
			{"gs/b.bin", "CKih16GjycICEAE="},
			{"metadata.json", "ivVEvds88gHX9kQPnG5I6w=="},
			{"s3/a.bin", "9b2cf535f27731c974343645a3985328"},
			{"train/part-0.bin", "XUFAKrxLKna5cZ2REBfFkg=="},
		}, "f653176ac78ad34ac3d38c4899e8ef94"},
		// Recorded from the SDK: stored files, references by content, by URI.
		{"stored", []pair{
			{"a b é.txt", "XOrgpsLkPfcX6Mgw/lxbdw=="},
			{"empty", "1B2M2Y8AsgTpgAmY7PhCfg=="},
			{"one", "xMpCOKC5I4INzFCab3WEmw=="},
			{"train/00.bin", "suqff86oMaSmOyE/QaiFWw=="},
		}, "8f75d0e4bf6289c6abf3d77fa6c60fb6"},
		{"references", []pair{
			{"output/a b é.txt", "XOrgpsLkPfcX6Mgw/lxbdw=="},
			{"output/empty", "1B2M2Y8AsgTpgAmY7PhCfg=="},
			{"output/one", "xMpCOKC5I4INzFCab3WEmw=="},
			{"output/train/00.bin", "suqff86oMaSmOyE/QaiFWw=="},
		}, "41cbbf96c1a37d33ae3db7aacb032ecc"},
		{"s3", []pair{{"output", "s3://bucket/prefix"}}, "07bb5402796fa40ff4f429744c629655"},
		{"https", []pair{{"data", "https://huggingface.co/datasets/org/name"}}, "b69d48a988f32689e711e19360fcaa0e"},
	} {
		d := newArtifactDigest()
		for _, e := range tt.entries {
			d.add(e.path, e.digest)
		}
		if got := d.hex(); got != tt.want {
			t.Errorf("%s: digest %s, want %s", tt.what, got, tt.want)
		}
	}
}

func TestMD5(t *testing.T) {
	for data, want := range map[string]string{"": "1B2M2Y8AsgTpgAmY7PhCfg==", "1": "xMpCOKC5I4INzFCab3WEmw==", "unicode and space\n": "XOrgpsLkPfcX6Mgw/lxbdw=="} {
		if got := md5Base64([]byte(data)); got != want {
			t.Errorf("%q: %s, want %s", data, got, want)
		}
	}
}
